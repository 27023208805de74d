from __future__ import annotations

import re

import pytest

from steps.contract.files import sha256_tree
from steps.contract.refs import ArtifactRef
from steps.contract.spec import StepContext
from steps.operate.approval.approve import tag_decision
from steps.registry.lineage import describe, git_sha, lineage_tags, pipeline_revision
from steps.registry.register import Params, run


def tags(config, **overrides):
    ref = ArtifactRef(uri="file:///m", sha256="a" * 64)
    given = dict.fromkeys(("model", "base", "dataset", "verdict"), ref) | {
        "traces": None,
        "policy_version": "p",
        "gate_phase": "Successful",
    }
    return lineage_tags(config, **given, method="dpo", bootstrap=False, **overrides)


def test_image_and_commit_are_those_of_the_pod(config, monkeypatch):
    monkeypatch.setenv("CTP_IMAGE", "registry.example.com/ctp@sha256:" + "b" * 64)
    monkeypatch.setenv("CTP_GIT_SHA", "c" * 40)
    found = tags(config)
    assert found["ctp.image"].endswith("b" * 64) and found["ctp.git-sha"] == "c" * 40


def test_what_is_not_known_is_said_to_be_unknown(config, monkeypatch):
    monkeypatch.delenv("CTP_IMAGE", raising=False)
    monkeypatch.delenv("CTP_GIT_SHA", raising=False)
    monkeypatch.setattr("steps.registry.lineage.pipeline_revision", lambda: "package:1")
    assert tags(config)["ctp.image"] == git_sha() == "unknown"


def test_another_image_is_not_another_model(config, monkeypatch):
    before = tags(config)["ctp.lineage"]
    monkeypatch.setenv("CTP_IMAGE", "other")
    assert tags(config)["ctp.lineage"] == before


@pytest.fixture
def registered(config, tmp_path):
    folder = tmp_path / "trained"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    registry = config.registry.model_copy(update={"model_store": (tmp_path / "store").as_uri()})
    ctx = StepContext(config=config.model_copy(update={"registry": registry}), run_id="r", workdir=tmp_path)
    params = Params(model=ArtifactRef(uri=folder.as_uri(), sha256=sha256_tree(folder)), bootstrap=True, approved_by="Ada")
    return ctx, params, run(params, ctx)


def test_a_registered_model_is_kept_in_the_store_and_found_there(registered, tmp_path):
    ctx, params, result = registered
    assert result.artifact.uri == f"{ctx.config.registry.model_store}/production/{params.model.sha256}"
    assert result.artifact.sha256 == params.model.sha256
    assert run(params, ctx).artifact == result.artifact and run(params, ctx).reused


def test_a_version_registered_before_there_was_a_store_moves_there(config, tmp_path):
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "w").write_text("x")
    params = Params(model=ArtifactRef(uri=folder.as_uri(), sha256=sha256_tree(folder)), bootstrap=True)
    first = run(params, StepContext(config=config, run_id="r", workdir=tmp_path))
    assert first.artifact.uri == folder.as_uri()
    registry = config.registry.model_copy(update={"model_store": (tmp_path / "store").as_uri()})
    again = run(params, StepContext(config=config.model_copy(update={"registry": registry}), run_id="r", workdir=tmp_path))
    assert again.model == first.model and again.artifact.uri.endswith(f"/store/production/{params.model.sha256}")


def test_lineage_shows_who_approved_what(registered, client):
    ctx, params, result = registered
    digest = params.model.sha256
    tag_decision(result.model, ctx, decision="approved", by="Grace", at="2026-01-02T00:00:00+00:00", digest=digest)
    shown = describe(ctx.config, ctx.workdir, str(result.model))
    made_of = shown["made_of"]
    assert shown["aliases"] == ["champion"]
    assert (made_of["ctp.approved-by"], made_of["ctp.deploy-decided-by"], made_of["ctp.deploy-decision"]) == ("Ada", "Grace", "approved")
    assert {"ctp.image", "ctp.git-sha", "ctp.config", "ctp.gate-judge", "ctp.reward-judge"} <= made_of.keys()
    card = client.description(result.model.name, result.model.version)
    assert "| Deployment decided by | Grace |" in card and "| Image | " in card


def test_the_pipeline_names_its_revision():
    assert re.match(r"(git:[0-9a-f]{40}(\+changes)?|package:\S+)$", pipeline_revision())
