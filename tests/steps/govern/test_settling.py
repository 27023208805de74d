"""Parts, scores and withdrawals come in any order, late and twice, and commits are killed: the lake ends as if all had come at once."""

from __future__ import annotations

import json
import random

import pyarrow as pa
import pytest

from steps.contract.config import PipelineConfig
from steps.contract.spec import StepContext
from steps.store.lake import Lake, open_lake

from ...fan_out import govern

KEY = b"0123456789abcdef0123456789abcdef"
T0 = 1_780_000_000 * 10**9
CLAIMS = {"ctp.consent": "train", "ctp.region": "eu-west-1", "ctp.confidentiality": "internal", "user.id": "u"}
MODEL_CALL = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
REFUSAL = {"name": "consent", "data_type": "CATEGORICAL", "value": 0, "string_value": "none"}
TIMES = ("ingested_at", "at", "seen_at", "ingest_batch")


def span(trace, number, attributes, parent="", start=0, end=1):
    pairs = [
        {"key": key, "value": {"stringValue": value if isinstance(value, str) else json.dumps(value)}} for key, value in attributes.items()
    ]
    return {
        "traceId": f"{trace:032x}",
        "spanId": f"{number:016x}",
        "parentSpanId": parent and f"{parent:016x}",
        "name": "chat",
        "startTimeUnixNano": str(T0 + start * 10**9),
        "endTimeUnixNano": str(T0 + end * 10**9),
        "attributes": pairs,
    }


def otlp(*spans):
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]})


def generation(trace, number, prompt, answer, start):
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "m",
        "gen_ai.input.messages": prompt,
        "gen_ai.output.messages": answer,
    }
    return span(trace, number, attributes, parent=9, start=start, end=start + 1)


def parts_of(trace, rng):
    """Parts of one trace: its root, a tool call, the answer, and perhaps a score or two and a withdrawal, as lines of files."""
    question = {"role": "user", "content": f"How warm is it in town {trace}?"}
    call = {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "warmth", "arguments": "{}"}}]}
    result = {"role": "tool", "tool_call_id": "c", "content": "21 C"}
    parts = [
        otlp(span(trace, 9, {"gen_ai.operation.name": "invoke_agent", **CLAIMS}, end=9)),
        otlp(generation(trace, 2, [question], [call], 1)),
        otlp(generation(trace, 3, [question, call, result], [{"role": "assistant", "content": f"It is 21 C in {trace}."}], 3)),
    ]
    score = {"trace_id": f"{trace:032x}", "name": "user_feedback", "data_type": "BOOLEAN", "timestamp": "2026-06-01 11:00:00"}
    if rng.random() < 0.5:
        parts.append(json.dumps({**score, "id": f"s{trace}", "value": 1}))
    if rng.random() < 0.3:
        parts.append(json.dumps({**score, "id": f"t{trace}", "value": 0, "timestamp": "2026-06-02 11:00:00"}))
    kind = rng.random()
    if kind < 0.15:
        parts.append(otlp(span(trace, 8, {"opt_out": "true"}, parent=9)))
    elif kind < 0.3:
        parts.append(json.dumps({**score, "id": f"c{trace}", **REFUSAL}))
    return parts


def context(folder):
    (folder / "secrets").mkdir(parents=True)
    (folder / "secrets" / "user.key").write_bytes(KEY)
    return StepContext(PipelineConfig(), "r1", folder)


class Crash:
    """Kills the n-th commit, once."""

    def __init__(self, number):
        self.left = number

    def before(self, method):
        def commit(*args, **kwargs):
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt
            return method(*args, **kwargs)

        return commit


def is_refusal(line):
    return "opt_out" in line or '"CATEGORICAL"' in line


def contents(ctx):
    with open_lake(ctx.config, ctx.workdir) as lake:
        tables = {table: lake.scan(table).to_pylist() for table in ("traces", "generations")}
    return {table: [{name: value for name, value in row.items() if name not in TIMES} for row in rows] for table, rows in tables.items()}


def stored(ctx):
    with open_lake(ctx.config, ctx.workdir) as lake:
        return set(lake.scan("traces", ("trace_id",)).column("trace_id").to_pylist())


@pytest.mark.parametrize("seed", [random.randrange(10**6), 7], ids=["random", "7"])
def test_late_parts_end_as_if_all_had_come_at_once(tmp_path, monkeypatch, seed):
    rng = random.Random(seed)
    lines = [(trace, line) for trace in range(1, 9) for line in parts_of(trace, rng)]
    withdrawn = {f"{trace:032x}" for trace, line in lines if is_refusal(line)}
    lines += rng.sample(lines, 6)
    rng.shuffle(lines)
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "a.jsonl").write_text("".join(line + "\n" for _, line in lines))
    whole, late = context(tmp_path / "whole"), context(tmp_path / "late")
    govern(whole, tmp_path / "all")

    source = tmp_path / "raw"
    source.mkdir()
    seen: set[str] = set()
    real = {name: getattr(Lake, name) for name in ("replace_batch", "adopt_files")}
    for number in range(0, len(lines), 9):
        chunk = lines[number : number + 9]
        (source / f"{number:03}.jsonl").write_text("".join(line + "\n" for _, line in chunk))
        seen |= {f"{trace:032x}" for trace, line in chunk if is_refusal(line)}
        crash = Crash(rng.randrange(10))
        for name, method in real.items():
            monkeypatch.setattr(Lake, name, crash.before(method))
        try:
            govern(late, source)
        except KeyboardInterrupt:
            govern(late, source)
        monkeypatch.undo()
        assert not seen & stored(late), f"seed {seed}: a withdrawal that was read has no effect"
    assert contents(late) == contents(whole), f"seed {seed}"
    assert stored(late) == {f"{trace:032x}" for trace in range(1, 9)} - withdrawn


def test_a_late_part_amends_what_was_stored_when_raw_objects_are_gone(tmp_path):
    ctx = context(tmp_path / "work")
    source = tmp_path / "raw"
    source.mkdir()
    rng = random.Random(1)
    for trace in (1, 2, 3):
        (source / f"{trace}.jsonl").write_text("".join(line + "\n" for line in parts_of(trace, rng)[:3]))
    govern(ctx, source)
    for path in source.iterdir():
        path.unlink()
    score = {"trace_id": f"{1:032x}", "id": "s", "name": "thumbs", "data_type": "NUMERIC", "value": 0, "timestamp": "2026-06-01 11:00:00"}
    refusal = otlp(span(2, 8, {"consent": "none"}, parent=9))
    (source / "late.jsonl").write_text(
        json.dumps(score) + "\n" + refusal + "\n" + otlp(span(3, 8, {"ctp.consent": "eval"}, parent=9)) + "\n"
    )
    result = govern(ctx, source)
    assert (result.written, result.by_gate["consent"]) == (2, 1)
    tables = contents(ctx)
    assert [(row["feedback"], row["consent"]) for row in tables["traces"]] == [(0.0, "train"), (None, "eval")]
    assert {row["consent"] for row in tables["generations"] if row["trace_id"] == f"{3:032x}"} == {"eval"}
    assert len(tables["generations"]) == 4


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_one_call_in_two_traces_is_one_row(tmp_path, order):
    """Two instrumentations side by side put a call into a trace of its own; its claims count for the trace that holds the rest."""
    ctx = context(tmp_path / "work")
    attributes = {**MODEL_CALL, "gen_ai.response.id": "r1", "gen_ai.input.messages": [{"role": "user", "content": "Hi"}]}
    attributes["gen_ai.output.messages"] = [{"role": "assistant", "content": "Yes."}]
    inner = otlp(span(1, 9, {"gen_ai.operation.name": "invoke_agent", **CLAIMS}), span(1, 2, attributes, parent=9))
    second = otlp(span(2, 3, {**attributes, **CLAIMS, "ctp.consent": "eval"}))
    files = [inner, second]
    (tmp_path / "raw.jsonl").write_text("".join(files[index] + "\n" for index in order))
    result = govern(ctx, tmp_path / "raw.jsonl")
    assert (result.written, result.duplicates) == (1, 1)
    (row,) = contents(ctx)["traces"]
    assert (row["trace_id"], row["consent"]) == (f"{1:032x}", "eval")


def test_a_withdrawal_names_the_datasets_that_it_reached(tmp_path):
    ctx = context(tmp_path / "work")
    source = tmp_path / "raw"
    source.mkdir()
    (source / "a.jsonl").write_text("".join(line + "\n" for line in parts_of(1, random.Random(1))[:3]))
    govern(ctx, source)
    pair = {"row": 0, "kind": "pair", "chosen_trace_id": f"{1:032x}", "rejected_trace_id": "x"}
    with open_lake(ctx.config, ctx.workdir) as lake:
        lake.replace_batch("datasets", pa.Table.from_pylist([pair]), "dataset_digest", "d" * 64, run_id="r")
    (source / "b.jsonl").write_text(otlp(span(1, 8, {"tags": "no-training"}, parent=9)) + "\n")
    result = govern(ctx, source)
    assert (result.stopped, result.datasets) == (1, ("d" * 64,))
    with open_lake(ctx.config, ctx.workdir) as lake:
        assert [row["rule"] for row in lake.scan("gate_ledger").to_pylist()] == ["consent-withdrawn"]
        assert lake.scan("traces").num_rows == lake.scan("generations").num_rows == 0


def test_an_odd_part_costs_itself_and_its_refusal_counts(tmp_path):
    """A late part that makes a trace too large to assemble leaves the stored rows; one that also refuses takes them out."""
    ctx = context(tmp_path / "work")
    source = tmp_path / "raw"
    source.mkdir()
    for trace in (1, 2):
        (source / f"{trace}.jsonl").write_text("".join(line + "\n" for line in parts_of(trace, random.Random(1))[:3]))
    govern(ctx, source)
    before = contents(ctx)
    huge = [{"role": "user", "content": "x" * 4_000_001}]
    (source / "b.jsonl").write_text(otlp(generation(1, 4, huge, [{"role": "assistant", "content": "y"}], 5)) + "\n")
    assert govern(ctx, source).duplicates == 1
    assert contents(ctx) == before
    refusal = otlp(generation(2, 4, huge, [{"role": "assistant", "content": "y"}], 5), span(2, 8, {"opt_out": "true"}, parent=9))
    (source / "c.jsonl").write_text(refusal + "\n")
    assert govern(ctx, source).by_gate["consent"] == 1
    assert stored(ctx) == {f"{1:032x}"}


def test_the_ledger_names_a_withdrawn_trace_as_it_is_stored(tmp_path):
    """The id of this trace is hashed when it is stored, and its raw object is gone when the refusal comes."""
    ctx = context(tmp_path / "work")
    source = tmp_path / "raw"
    source.mkdir()
    row = {"id": "o", "trace_id": "jane-roe-1970", "type": "GENERATION", "start_time": "2026-06-01 10:00:00", "provided_model_name": "m"}
    row |= {"input": "Q?", "output": "A.", "metadata": {"consent": "train", "region": "eu-west-1", "confidentiality": "public"}}
    (source / "a.jsonl").write_text(json.dumps(row) + "\n")
    govern(ctx, source)
    (trace_id,) = stored(ctx)
    assert "jane" not in trace_id
    (source / "a.jsonl").unlink()
    (source / "b.jsonl").write_text(json.dumps({**row, "id": "p", "metadata": {"consent": "none"}}) + "\n")
    assert govern(ctx, source).stopped == 1
    with open_lake(ctx.config, ctx.workdir) as lake:
        assert [(entry["trace_id"], entry["rule"]) for entry in lake.scan("gate_ledger").to_pylist()] == [(trace_id, "consent-withdrawn")]
    assert stored(ctx) == set()
