"""Step `register`: record a model version with its lineage and make it the candidate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field

from steps.contract.errors import DataError
from steps.contract.files import read_json, sha256_file
from steps.contract.refs import ArtifactRef, Frozen, ModelRef, TableRef
from steps.contract.spec import StepContext
from steps.registry.card import render_card
from steps.registry.lineage import LINEAGE, lineage_tags
from steps.store.aliases import URI, champion, model_uri, promote, set_candidate, taken_back
from steps.store.models import store_model
from steps.store.registry import RegistryClient, open_registry


class Params(Frozen):
    """The model and everything it came from. `bootstrap` registers the first model, which no gate has seen."""

    model: ArtifactRef = Field(description="files of the candidate")
    base: ArtifactRef | None = Field(default=None, description="files of the model that it was trained from")
    dataset: ArtifactRef | None = Field(default=None, description="the dataset that it was trained on")
    verdict: ArtifactRef | None = Field(default=None, description="the gate's verdict file; needed unless bootstrap")
    gate_phase: str = Field(default="Successful", description="the gate's phase; only Successful is registered")
    traces: TableRef | None = Field(default=None, description="snapshot of the traces that the dataset came from")
    policy_version: str = Field(default="", description="reward policy of the labels")
    approved_by: str = Field(default="", description="who approved the training")
    approved_at: str = Field(default="", description="when, ISO 8601 UTC")
    method: str = Field(default="", description="dpo or grpo")
    bootstrap: bool = Field(default=False, description="the first model of all: needs no verdict and becomes champion")


class Result(Frozen):
    """The version, its files where they are kept, the champion beside it, and whether the version was there already."""

    model: ModelRef = Field(description="the registered version")
    artifact: ArtifactRef = Field(description="its files where serving pods can fetch them")
    champion: ModelRef | None = Field(description="the champion after this; None before the first release")
    reused: bool = Field(description="the same content had been registered before")


def run(params: Params, ctx: StepContext) -> Result:
    """Register the model once for its content and lineage, then point `candidate` at it; anew if that version was taken back.

    With `bootstrap`, the model becomes champion where there is none. With a configured
    model store, the model's files are copied there first, and the version names that place.

    Raises:
        DataError: the gate was not passed, the verdict file is not the one named or says otherwise, or the model's files changed.
        ConfigError, AccessError: the model store cannot be used.
        TransientError: registry or store does not answer, or the registry is being moved by somebody else.
    """
    verdict = _check_gate(params)
    name = ctx.config.model_name
    stored = _store(params.model, ctx)
    client = open_registry(ctx.config, ctx.workdir)
    version, reused = _version(client, params.model_copy(update={"model": stored}), ctx, verdict)
    if client.tags(name, version).get(URI) != stored.uri and ctx.config.registry.model_store:
        client.set_tag(name, version, URI, stored.uri)
    if params.bootstrap:
        if champion(client, name) is None:
            promote(client, name, version, None)
    else:
        set_candidate(client, name, version)
    ref = ModelRef(name=name, version=version)
    return Result(model=ref, artifact=model_uri(client, ref), champion=champion(client, name), reused=reused)


def _store(model: ArtifactRef, ctx: StepContext) -> ArtifactRef:
    """The model in the store; where training wrote it when no store is configured."""
    store = ctx.config.registry.model_store
    if not store or model.uri.startswith(f"{store.rstrip('/')}/"):
        return model

    with ctx.progress.task("storing the model"):
        return store_model(store, Path(model.local_path()), model.sha256)


def _check_gate(params: Params) -> dict[str, Any] | None:
    """The verdict's content, checked against its digest and against what the caller says.

    Raises:
        DataError: the model may not be registered.
    """
    if not params.bootstrap and params.gate_phase != "Successful":
        raise DataError(f"the gate's phase is {params.gate_phase!r}: only a model that passed (Successful) is registered")
    if params.verdict is None:
        if not params.bootstrap:
            raise DataError("no verdict is given: name the gate's verdict file (--verdict), or --bootstrap=true for the first model")
        return None
    path = Path(params.verdict.local_path())
    if not path.is_file() or sha256_file(path) != params.verdict.sha256:
        raise DataError(f"{path}: not the verdict with SHA-256 {params.verdict.sha256}: run the gate again")
    verdict: dict[str, Any] = read_json(path)
    if verdict.get("phase") != params.gate_phase:
        raise DataError(f"{path}: says {verdict.get('phase')!r}, the caller says {params.gate_phase!r}: run the gate again")
    if not verdict.get("candidate", "").endswith(f"#sha256:{params.model.sha256}"):
        raise DataError(f"{path}: judges another model than {params.model.uri}: run the gate on this one")
    return verdict


def _version(client: RegistryClient, params: Params, ctx: StepContext, verdict: dict[str, Any] | None) -> tuple[int, bool]:
    """The version with this content and lineage, created unless it is there: (number, was there).

    One that was taken back is not used again: its pods could come back without analysis.
    """
    name = ctx.config.model_name
    made_of = params.model_dump(include={"policy_version", "gate_phase", "method", "bootstrap"})
    refs = {field: getattr(params, field) for field in ("model", "base", "dataset", "verdict", "traces")}
    tags = lineage_tags(ctx.config, **refs, **made_of)
    with client.moving(name):
        client.ensure_model(name)
        known = client.find_versions(name, LINEAGE, tags[LINEAGE])
        known = [version for version in known if params.bootstrap or not taken_back(client.tags(name, version))]
        if known:
            return known[0], True
        approval = {"ctp.run-id": ctx.run_id, "ctp.approved-by": params.approved_by, "ctp.approved-at": params.approved_at}
        tags |= {key: value for key, value in approval.items() if value}
        return client.create_version(name, params.model.uri, tags, render_card(name, tags, verdict)), False
