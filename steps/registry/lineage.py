"""Lineage of a model version: the tags that say what it was made of, and the key that makes registering idempotent."""

from __future__ import annotations

import os
from importlib import metadata
from pathlib import Path

import steps
from steps.contract.config import PipelineConfig
from steps.contract.errors import DataError, PipelineError
from steps.contract.files import canonical_json, sha256_text
from steps.contract.refs import ArtifactRef, ModelRef, TableRef
from steps.store.aliases import BOOTSTRAP, GATE_PHASE, SHA256, URI, champion
from steps.store.git import run_git
from steps.store.registry import open_registry

LINEAGE = "ctp.lineage"
# Where things lay and which code registered them: recorded, but no part of what the model is.
_PLACES = frozenset({URI, "ctp.base", "ctp.dataset", "ctp.verdict", "ctp.pipeline", "ctp.image", "ctp.git-sha"})
UNKNOWN = "unknown"


def lineage_tags(
    config: PipelineConfig,
    *,
    model: ArtifactRef,
    base: ArtifactRef | None,
    dataset: ArtifactRef | None,
    verdict: ArtifactRef | None,
    traces: TableRef | None,
    policy_version: str,
    gate_phase: str,
    method: str,
    bootstrap: bool,
) -> dict[str, str]:
    """Tags that say what the model was made of and how it was judged; empty ones are left out.

    What identifies the code that ran is said to be `unknown` rather than left out: `CTP_IMAGE` and
    `CTP_GIT_SHA` are set in the pods and images. `ctp.lineage` is the SHA-256 over those that identify content, not places or code:
    two registrations with the same value are one.
    """
    tags = {
        URI: model.uri,
        SHA256: model.sha256,
        "ctp.base": str(base or ""),
        "ctp.base-sha256": base.sha256 if base else "",
        "ctp.dataset": str(dataset or ""),
        "ctp.dataset-sha256": dataset.sha256 if dataset else "",
        "ctp.traces": str(traces or ""),
        "ctp.policy-version": policy_version,
        "ctp.method": method,
        "ctp.verdict": str(verdict or ""),
        GATE_PHASE: "" if bootstrap else gate_phase,
        BOOTSTRAP: "true" if bootstrap else "",
        "ctp.reward-judge": f"{config.reward_judge.model}/{config.reward_judge.prompt_version}",
        "ctp.gate-judge": f"{config.gate_judge.model}/{config.gate_judge.prompt_version}",
        "ctp.config": config.digest(),
        "ctp.seed": str(config.train.seed),
        "ctp.pipeline": pipeline_revision(),
        "ctp.git-sha": git_sha(),
        "ctp.image": os.environ.get("CTP_IMAGE") or UNKNOWN,
    }
    known = {key: value for key, value in tags.items() if value}
    identity = {key: value for key, value in known.items() if key not in _PLACES}
    identity |= {"verdict": verdict.sha256 if verdict else ""}
    return known | {LINEAGE: sha256_text(canonical_json(identity))}


def describe(config: PipelineConfig, workdir: Path, model: str) -> dict[str, object]:
    """Tags and aliases of `MODEL` (its champion) or `MODEL@VERSION`.

    Raises:
        DataError: there is no such version, or no champion.
    """
    client = open_registry(config, workdir)
    name = model.partition("@")[0]
    if "@" in model:
        try:
            ref = ModelRef.model_validate(model)
        except ValueError:
            raise DataError(f"{model!r} is not MODEL or MODEL@VERSION, as in agent-model@3") from None
    else:
        serving = champion(client, name)
        if serving is None:
            raise DataError(f"{name} has no champion: name a version, as in {name}@1")
        ref = serving
    aliases = sorted(alias for alias, version in client.aliases(name).items() if version == ref.version)
    return {"model": str(ref), "aliases": aliases, "made_of": dict(sorted(client.tags(name, ref.version).items()))}


def git_sha() -> str:
    """The commit that this code was built from: `CTP_GIT_SHA` of the image, else the checkout's; `unknown` where neither is."""
    revision = pipeline_revision()
    return os.environ.get("CTP_GIT_SHA") or (revision.removeprefix("git:") if revision.startswith("git:") else UNKNOWN)


def pipeline_revision() -> str:
    """`git:<commit>` of a checkout of this project (`+changes` when edited), else `package:<version>`."""
    root = Path(steps.__file__).resolve().parents[1]
    if (root / ".git").exists():
        try:
            changed = run_git(["status", "--porcelain", "--", "steps"], root)
            return f"git:{run_git(['rev-parse', 'HEAD'], root)}" + ("+changes" if changed else "")
        except PipelineError:
            pass  # A checkout without a commit, or no git program: the package version is all there is.
    try:
        return f"package:{metadata.version('continuous-training-pipeline')}"
    except metadata.PackageNotFoundError:
        return "package:unknown"
