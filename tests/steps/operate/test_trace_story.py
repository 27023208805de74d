from __future__ import annotations

import json
from pathlib import Path

import pytest

from steps.contract.config import PipelineConfig
from steps.contract.errors import DataError
from steps.contract.spec import StepContext
from steps.operate.doctor.source_sample import try_source
from steps.operate.trace_story import tell_trace

from ...fan_out import govern

CAPTURES = Path(__file__).parents[2] / "data" / "captures"


@pytest.fixture
def ctx(tmp_path):
    values = {"registry": {"tracking_uri": f"sqlite:///{tmp_path / 'mlflow.db'}"}, "govern": {"pii_action": "mask"}}
    return StepContext(PipelineConfig.model_validate(values), "r1", tmp_path)


def first_trace(path):
    line = json.loads(path.read_text().splitlines()[0])
    return line["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"]


def test_a_trace_is_told_from_its_parts_to_its_calls(ctx):
    source = CAPTURES / "aisdk7_context.jsonl"
    govern(ctx, source)
    story = tell_trace(ctx.config, ctx.workdir, first_trace(source))
    assert story["trace"]["question"] == "What is the weather in Seoul today?"
    assert [call["is_answer"] for call in story["generations"]] == [False, True]
    assert [part["uri"] for part in story["parts"]] == [source.resolve().as_uri()]
    assert story["claims"][0]["places"] == [
        "ai.settings.context.confidentiality",
        "ai.settings.context.consent",
        "ai.settings.context.region",
    ]
    assert (story["datasets"], story["models"], story["hints"]) == ([], [], [])


def test_a_refused_trace_says_what_would_let_it_pass(ctx, tmp_path):
    text = (CAPTURES / "aisdk7_enrich.jsonl").read_text().replace('"consent"', '"acme.meta.consent"')
    (tmp_path / "raw.jsonl").write_text(text)
    govern(ctx, tmp_path / "raw.jsonl")
    story = tell_trace(ctx.config, ctx.workdir, first_trace(tmp_path / "raw.jsonl"))
    assert story["trace"] is None and story["generations"] == []
    assert [(gate["rule"], gate["detail"]) for gate in story["gates"]] == [("consent-unlisted-key", "acme.meta.consent")]
    assert "acme.meta.consent" in story["hints"][0]


def test_an_unknown_trace_is_one_line(ctx):
    with pytest.raises(DataError, match="no lake in this folder"):
        tell_trace(ctx.config, ctx.workdir, "ab" * 16)
    assert not (ctx.workdir / "lake").exists() and not (ctx.workdir / "secrets").exists(), "looking makes nothing"
    govern(ctx, CAPTURES / "aisdk6.jsonl")
    with pytest.raises(DataError, match="no table of the lake knows it"):
        tell_trace(ctx.config, ctx.workdir, "ab" * 16)


def test_a_sample_of_a_source_tells_what_is_missing(ctx, tmp_path):
    whole = try_source(ctx.config, str(CAPTURES / "aisdk6.jsonl"))
    assert (whole["share"], whole["users"], whole["tools"], whole["refused"]) == (1.0, 1.0, 0.5, {})
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.jsonl").write_text((CAPTURES / "aisdk6.jsonl").read_text().replace("metadata.region", "metadata.place"))
    (tmp_path / "raw" / "notes.txt").write_text("these are no traces")
    part = try_source(ctx.config, str(tmp_path / "raw"))
    assert (part["share"], part["refused"], part["unreadable"]) == (0.0, {"region-missing": 4}, {"unknown-format": 1})
    assert "govern.region_default" in part["remedies"]["region-missing"]
    assert not (ctx.workdir / "lake").exists()
