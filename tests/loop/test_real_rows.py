"""Real questions with a faithful and a hallucinated answer each: from trace files to pairs, in every format."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from steps.cluster.process import ServerProcess
from steps.contract.catalog import find_step
from steps.contract.config import load_config
from steps.contract.refs import ArtifactRef
from steps.contract.runtime import run_step
from steps.contract.spec import StepContext
from steps.store.lake import open_lake

from ..fan_out import govern, label
from .conftest import ROOT

ROWS = 150
SHARED = Path(os.environ.get("CTP_SHARED_DATA") or ROOT.parent / "shared" / "data")
TAGS = {"consent": "train", "region": "eu-west-1", "confidentiality": "public"}


def otlp_line(trace_id, row, answer):
    prompt = f"Context:\n- {row['knowledge']}\nQuestion: {row['question']}"
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "support-bot",
        "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": prompt}]}]),
        "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": answer}]}]),
    } | {f"ctp.{key}": value for key, value in TAGS.items()}
    span = {
        "traceId": trace_id,
        "spanId": trace_id[:16],
        "startTimeUnixNano": "1795000000000000000",
        "endTimeUnixNano": "1795000001000000000",
        "attributes": [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()],
    }
    return {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}


def langfuse_row(trace_id, row, answer):
    return {
        "id": trace_id[:16],
        "trace_id": trace_id,
        "type": "GENERATION",
        "start_time": "2026-11-01 10:00:00.000000",
        "end_time": "2026-11-01 10:00:01.000000",
        "provided_model_name": "support-bot",
        "input": json.dumps({"question": row["question"], "contexts": [row["knowledge"]]}),
        "output": json.dumps(answer),
        "metadata": TAGS,
    }


def write(path, kind, rows):
    traces = [
        (f"{number * 2 + right + 1:032x}", row, row["right_answer" if right else "hallucinated_answer"])
        for number, row in enumerate(rows)
        for right in (0, 1)
    ]
    if kind == "otlp":
        path = path.with_suffix(".jsonl")
        path.write_text("".join(json.dumps(otlp_line(*trace)) + "\n" for trace in traces), encoding="utf-8")
    elif kind == "langfuse-jsonl":
        path = path.with_suffix(".jsonl")
        path.write_text("".join(json.dumps(langfuse_row(*trace)) + "\n" for trace in traces), encoding="utf-8")
    else:
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = path.with_suffix(".parquet")
        table = [langfuse_row(*trace) | {"metadata": list(TAGS.items())} for trace in traces]
        schema = pa.schema(
            [(name, pa.string()) for name in table[0] if name != "metadata"] + [("metadata", pa.map_(pa.string(), pa.string()))]
        )
        pq.write_table(pa.Table.from_pylist(table, schema=schema), path)
    return path


@pytest.mark.parametrize("kind", ["otlp", "langfuse-jsonl", "langfuse-parquet"])
def test_faithful_answers_are_chosen(tmp_path, kind):
    source = SHARED / "halueval_qa.jsonl"
    if not source.exists():
        pytest.skip(f"{source} is absent: set CTP_SHARED_DATA to the folder that holds halueval_qa.jsonl")
    rows = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()]
    # One format after the other over other rows, so that together they cover the file.
    rows = rows[:ROWS] if kind == "otlp" else rows[ROWS:]
    path = write(tmp_path / "traces", kind, rows)
    with ServerProcess("judge", {}, log_file=tmp_path / "judge.log") as judge:
        # These prompts come from an app, and no root span tells the user's own words.
        overrides = (f"reward_judge.base_url={judge.wait_healthy().url}/v1", "ingest.contexts_in_prompts=true")
        config = load_config(overrides=overrides)
        ctx = StepContext(config=config, run_id="rows", workdir=tmp_path / "work")
        governed = govern(ctx, path)
        labelled = label(ctx, governed.traces)
        params = {"traces": governed.traces, "labels": labelled.labels, "policy_version": labelled.policy_version}
        curated = run_step(find_step("curate"), params, ctx)
    assert governed.read == 2 * len(rows)
    assert governed.written >= 0.95 * governed.read, "few of these rows name a person with a title"
    with open_lake(config, tmp_path / "work") as lake:
        scores = {row["trace_id"]: row["score"] for row in lake.scan(labelled.labels, ("trace_id", "score")).to_pylist()}
    pairs = [(scores.get(f"{n * 2 + 2:032x}"), scores.get(f"{n * 2 + 1:032x}")) for n in range(len(rows))]
    pairs = [(right, wrong) for right, wrong in pairs if right is not None and wrong is not None]
    assert len(pairs) >= 0.95 * len(rows)
    assert share(pairs) >= 0.85
    assert share([(right, wrong) for right, _ in pairs for _, wrong in pairs]) >= 0.88, "AUROC"
    dataset = Path(ArtifactRef.model_validate(str(curated.dataset)).local_path())
    chosen = [json.loads(line) for line in dataset.read_text(encoding="utf-8").splitlines()]
    ids = [int(row["chosen_trace_id"], 16) for row in chosen if row["kind"] == "pair"]
    assert len(ids) >= len(rows) / 2
    assert sum(number % 2 == 0 for number in ids) / len(ids) >= 0.85


def share(pairs):
    """How often the first is above the second; a tie counts half."""
    return sum((right > wrong) + (right == wrong) / 2 for right, wrong in pairs) / len(pairs)
