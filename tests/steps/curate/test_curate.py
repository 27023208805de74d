from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from steps.contract.config import PipelineConfig
from steps.contract.errors import DataError
from steps.contract.files import sha256_file
from steps.contract.refs import ArtifactRef, ModelRef
from steps.contract.spec import StepContext
from steps.curate.curate import Params, run
from steps.curate.source import scored_traces
from steps.store.lake import open_lake

from ...lake_rows import put_traces


def context(tmp_path, run_id="run-1", **blocks):
    config = PipelineConfig.model_validate({"curate": {"min_pairs": 1}, **blocks})
    return StepContext(config=config, run_id=run_id, workdir=tmp_path)


@pytest.fixture
def fill(tmp_path, trace_row, label_row):
    """Write traces and labels and return the step's parameters."""

    def write(traces, *, labels=None, rows=None, **params):
        with open_lake(PipelineConfig(), tmp_path) as lake:
            found = put_traces(lake, rows or [trace_row(trace) for trace in traces])
            scores = pa.Table.from_pylist(labels if labels is not None else [label_row(trace) for trace in traces])
            return Params(
                traces=found, labels=lake.replace_batch("labels", scores, "label_batch", "b", run_id="r"), policy_version="p1", **params
            )

    return write


def good_and_bad(make_trace, name, **overrides):
    return [
        make_trace(f"{name}-good", question=name, answer="good", score=0.9, **overrides),
        make_trace(f"{name}-bad", question=name, answer="bad", score=0.1, **overrides),
    ]


def golden_file(tmp_path, **item):
    path = tmp_path / "golden.jsonl"
    path.write_text(json.dumps({"id": "1", "question": "?", "messages": [{"role": "user", "content": "?"}], **item}) + "\n")
    return ArtifactRef(uri=path.as_uri(), sha256=sha256_file(path))


def test_writes_the_file_the_rows_and_the_reference(tmp_path, fill, make_trace):
    ctx = context(tmp_path)
    result = run(fill(good_and_bad(make_trace, "q1") + good_and_bad(make_trace, "q2")), ctx)
    path = Path(result.dataset.local_path())
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert (result.phase, result.pairs, result.prompts) == ("Successful", 2, 2)
    assert result.digest == result.dataset.sha256 == sha256_file(path) == path.stem
    assert [line["kind"] for line in lines] == ["pair", "pair", "prompt", "prompt"]
    assert set(lines[0]) == {
        "kind",
        "prompt_key",
        "messages",
        "contexts",
        "question",
        "chosen",
        "rejected",
        "chosen_score",
        "rejected_score",
        "chosen_trace_id",
        "rejected_trace_id",
    }
    assert set(lines[2]) == {"kind", "prompt_key", "messages", "contexts", "question"}
    with open_lake(ctx.config, tmp_path) as lake:
        table = lake.scan(result.table).to_pylist()
    assert [(row["row"], row["kind"], row["chosen"]) for row in table] == [
        (0, "pair", "good"),
        (1, "pair", "good"),
        (2, "prompt", None),
        (3, "prompt", None),
    ]
    assert {row["dataset_digest"] for row in table} == {result.digest}
    assert result.snapshot_id == result.table.snapshot_id


def test_the_digest_knows_neither_run_nor_order_nor_repetition(tmp_path, fill, make_trace):
    traces = good_and_bad(make_trace, "q1") + good_and_bad(make_trace, "q2")
    first = run(fill(traces), context(tmp_path))
    again = run(fill(traces[::-1]), context(tmp_path, run_id="another"))
    assert again.digest == first.digest
    with open_lake(PipelineConfig(), tmp_path) as lake:
        assert lake.scan("datasets").num_rows == 4


def test_too_few_pairs_is_a_result(tmp_path, fill, make_trace):
    result = run(fill(good_and_bad(make_trace, "q1")), context(tmp_path, curate={"min_pairs": 2}))
    assert result.phase == "Failed"
    assert result.reason.startswith("1 pairs, and dpo needs at least 2")


def test_grpo_needs_prompts_not_pairs(tmp_path, fill, make_trace):
    params = fill([make_trace("a", question="q1"), make_trace("b", question="q2")])
    blocks = {"train": {"method": "grpo"}, "curate": {"min_pairs": 2}}
    assert run(params, context(tmp_path, **blocks)).phase == "Successful"
    assert run(params, context(tmp_path, curate={"min_pairs": 2})).phase == "Failed"


def test_an_empty_lake_is_a_result(tmp_path):
    params = Params(traces="ctp.traces@0", labels="ctp.labels@0", policy_version="p1")
    result = run(params, context(tmp_path))
    assert (result.phase, result.pairs, result.prompts) == ("Failed", 0, 0)


def test_what_is_left_out_is_counted(tmp_path, fill, make_trace, trace_row, label_row):
    kept = good_and_bad(make_trace, "kept", model_version="2")
    old, empty, bare, stale = (
        make_trace(name, question=name, model_version=v) for name, v in (("old", "1"), ("empty", "2"), ("bare", "2"), ("stale", "2"))
    )
    secret, failed = make_trace("secret", question="s"), make_trace("failed", question="f")
    rows = [trace_row(trace) for trace in (*kept, old, bare, stale)]
    rows += [trace_row(empty) | {"answer": " "}, trace_row(secret, consent="eval"), trace_row(failed, status="error")]
    labels = [label_row(trace) for trace in (*kept, old, empty, secret, failed)]
    labels += [label_row(stale, content_hash="other"), label_row(bare, policy="p0"), label_row(bare, status="unscored", score=None)]
    params = fill(
        [], rows=rows, labels=labels, champion=ModelRef(name="agent-model", version=2), golden=golden_file(tmp_path, question="kept twice")
    )
    result = run(params, context(tmp_path))
    assert result.pairs == result.prompts == 1
    counts = {"empty": 1, "unlabelled": 1, "stale_label": 1, "withdrawn": 0, "unfit": 0, "golden": 0, "superseded": 1, "duplicate": 0}
    assert result.excluded == counts


@pytest.mark.parametrize(
    "change",
    [{"finish_reason": "length"}, {"finish_reason": "content_filter"}, {"feedback": 0.0}],
)
def test_a_cut_or_refused_answer_is_never_the_chosen_one(tmp_path, fill, make_trace, trace_row, change):
    good, bad = good_and_bad(make_trace, "q")
    rows = [trace_row(good) | change, trace_row(bad)]
    result = run(fill([good, bad], rows=rows), context(tmp_path))
    assert (result.pairs, result.prompts) == (0, 1)


def test_what_somebody_withdrew_since_is_left_out(tmp_path, fill, make_trace):
    traces = good_and_bad(make_trace, "q")
    params = fill(traces)
    with open_lake(PipelineConfig(), tmp_path) as lake:
        claim = {"trace_id": traces[0].trace_id, "consent": "none train", "withdrawn": True, "at": datetime.now(UTC)}
        lake.replace_batch("claims", pa.Table.from_pylist([claim]), "ingest_batch", "late", run_id="r")
    result = run(params, context(tmp_path))
    assert (result.pairs, result.excluded["withdrawn"]) == (0, 1)


def test_a_row_that_is_not_fit_for_text_training_is_left_out(tmp_path, fill, make_trace, trace_row):
    good, bad = good_and_bad(make_trace, "q")
    result = run(fill([good, bad], rows=[trace_row(good) | {"problems": ["media"]}, trace_row(bad)]), context(tmp_path))
    assert (result.pairs, result.excluded["unfit"]) == (0, 1)


def test_other_models_answers_are_never_superseded(tmp_path, fill, make_trace):
    traces = good_and_bad(make_trace, "q", model="gpt-x", model_version="1")
    assert run(fill(traces, champion=ModelRef(name="agent-model", version=2)), context(tmp_path)).pairs == 1


@pytest.mark.parametrize("item", [{"question": "Q1!"}, {"statement": "Aurora listens on port 8443."}])
def test_the_golden_set_stays_out(tmp_path, fill, make_trace, item):
    result = run(fill(good_and_bad(make_trace, "q1"), golden=golden_file(tmp_path, **item)), context(tmp_path))
    assert result.excluded["golden"] == 2
    assert result.prompts == 0


def test_a_changed_golden_set_is_refused(tmp_path, fill, make_trace):
    ref = golden_file(tmp_path)
    (tmp_path / "golden.jsonl").write_text("{}\n")
    with pytest.raises(DataError, match="golden set was changed"):
        run(fill(good_and_bad(make_trace, "q1"), golden=ref), context(tmp_path))


@pytest.mark.parametrize("score", [1.5, -0.1, float("nan")])
def test_a_score_outside_its_scale_is_refused(tmp_path, fill, make_trace, label_row, score):
    trace = make_trace("t")
    params = fill([trace], labels=[label_row(trace, score=score)])
    with open_lake(PipelineConfig(), tmp_path) as lake, pytest.raises(DataError, match="trace t is"):
        list(scored_traces(lake, params.traces, lake.current("generations"), params.labels, "p1", Counter()))
