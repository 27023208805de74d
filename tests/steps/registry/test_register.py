from __future__ import annotations

import json
from pathlib import Path

import pytest

from steps.contract.errors import DataError
from steps.contract.files import sha256_file, sha256_text
from steps.contract.refs import ArtifactRef, TableRef
from steps.contract.spec import StepContext
from steps.registry.register import Params, run
from steps.store import aliases as alias

FINDING = {"name": "min_faithfulness", "ok": True, "reason": "candidate faithfulness 0.910, at least 0.850"}
METRIC = {"champion": 0.5, "candidate": 0.91, "delta": 0.41, "ci95": [0.3, 0.5], "n": 64}


def model(text="candidate"):
    return ArtifactRef(uri=f"file:///models/{text}", sha256=sha256_text(text))


@pytest.fixture
def ctx(config, tmp_path):
    return StepContext(config=config, run_id="run-1", workdir=tmp_path)


@pytest.fixture
def verdict(tmp_path):
    def write(candidate=None, phase="Successful"):
        path = tmp_path / f"verdict-{phase}-{(candidate or model()).sha256[:8]}.json"
        found = {"phase": phase, "candidate": str(candidate or model()), "metrics": {"faithfulness": METRIC}, "findings": [FINDING]}
        path.write_text(json.dumps(found))
        return ArtifactRef(uri=path.as_uri(), sha256=sha256_file(path))

    return write


def params(verdict, /, **overrides):
    given = {
        "model": model(),
        "base": model("base"),
        "dataset": model("dataset"),
        "verdict": overrides.get("verdict") or verdict(),
        "traces": TableRef(table="ctp.traces", snapshot_id=7),
        "policy_version": "p1",
        "approved_by": "Ada <ada@example.com>",
        "approved_at": "2026-01-01T00:00:00Z",
        "method": "dpo",
    }
    return Params(**{**given, **overrides})


def test_registers_with_lineage_and_card(ctx, client, verdict):
    result = run(params(verdict), ctx)
    tags = client.tags(result.model.name, result.model.version)
    assert tags["ctp.sha256"] == model().sha256
    assert tags["ctp.dataset-sha256"] == model("dataset").sha256
    assert tags["ctp.traces"] == "ctp.traces@7"
    assert tags["ctp.config"] == ctx.config.digest()
    assert tags["ctp.gate-phase"] == "Successful"
    assert tags["ctp.approved-by"] == "Ada <ada@example.com>"
    assert tags["ctp.pipeline"]
    card = client.description(result.model.name, result.model.version)
    assert "ctp.traces@7" in card and FINDING["reason"] in card
    assert client.aliases(result.model.name) == {"candidate": result.model.version}
    assert result.champion is None and not result.reused


def test_a_rerun_returns_the_same_version(ctx, verdict):
    first = run(params(verdict), ctx)
    again = run(params(verdict), StepContext(config=ctx.config, run_id="run-2", workdir=ctx.workdir))
    assert again.model == first.model and again.reused


def test_a_kill_between_version_and_alias_is_repaired_by_the_rerun(ctx, client, verdict, monkeypatch):
    class Killed(BaseException):
        pass

    def die(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(type(client), "set_alias", die)
        with pytest.raises(Killed):
            run(params(verdict), ctx)
    assert client.aliases(ctx.config.model_name) == {}
    result = run(params(verdict), ctx)
    assert result.reused
    assert client.aliases(ctx.config.model_name) == {"candidate": result.model.version}


def test_the_place_of_files_is_no_part_of_the_lineage(ctx, verdict):
    first = run(params(verdict), ctx)
    moved = ArtifactRef(uri="file:///elsewhere/base", sha256=model("base").sha256)
    assert run(params(verdict, base=moved), ctx).model == first.model


@pytest.mark.parametrize(
    "change", [{"dataset": model("other")}, {"policy_version": "p2"}, {"traces": TableRef(table="ctp.traces", snapshot_id=8)}]
)
def test_another_lineage_is_another_version(ctx, verdict, change):
    assert run(params(verdict), ctx).model != run(params(verdict, **change), ctx).model


def test_what_was_taken_back_is_registered_under_a_new_number(ctx, client, verdict):
    """Its old number names pods that a Rollout may bring back without analysis."""
    first = run(params(verdict), ctx)
    alias.abort(client, first.model.name, first.model.version, "worse")
    second, again = (run(params(verdict), ctx) for _ in range(2))
    assert second.model.version > first.model.version and not second.reused and again.reused
    assert client.aliases(first.model.name) == {"candidate": second.model.version} and again.model == second.model
    assert client.tags(first.model.name, first.model.version)[alias.ABORTED] == "worse"


def test_bootstrap_makes_the_first_champion_and_can_be_repeated(ctx, client):
    first = run(Params(model=model("base"), bootstrap=True), ctx)
    again = run(Params(model=model("base"), bootstrap=True), ctx)
    assert first.champion == again.champion == first.model
    assert client.aliases(first.model.name) == {"champion": first.model.version}


def test_bootstrap_does_not_replace_a_champion(ctx):
    first = run(Params(model=model("base"), bootstrap=True), ctx)
    assert run(Params(model=model("newer base"), bootstrap=True), ctx).champion == first.model


def test_candidate_beside_a_champion_then_promoted(ctx, client, verdict):
    first = run(Params(model=model("base"), bootstrap=True), ctx)
    result = run(params(verdict), ctx)
    assert result.champion == first.model
    alias.promote(client, result.model.name, result.model.version, first.model.version)
    assert run(params(verdict), ctx).champion == result.model


@pytest.mark.parametrize("phase", ["Failed", "Inconclusive", "Error", ""])
def test_refuses_what_did_not_pass(ctx, client, verdict, phase):
    with pytest.raises(DataError, match="only a model that passed"):
        run(params(verdict, gate_phase=phase), ctx)
    assert client.aliases(ctx.config.model_name) == {}


def test_refuses_a_verdict_that_says_otherwise(ctx, verdict):
    with pytest.raises(DataError, match="says 'Failed'"):
        run(params(verdict, verdict=verdict(phase="Failed")), ctx)


def test_refuses_a_verdict_on_another_model(ctx, verdict):
    with pytest.raises(DataError, match="judges another model"):
        run(params(verdict, verdict=verdict(candidate=model("other"))), ctx)


def test_refuses_a_changed_verdict_file(ctx, verdict, tmp_path):
    ref = verdict()
    path = Path(ref.local_path())
    path.write_text(path.read_text() + " ")
    with pytest.raises(DataError, match="not the verdict with SHA-256"):
        run(params(verdict, verdict=ref), ctx)


def test_refuses_without_a_verdict(ctx, verdict):
    with pytest.raises(DataError, match="no verdict is given"):
        run(params(verdict, verdict=None), ctx)
