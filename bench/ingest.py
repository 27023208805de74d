"""Ingest: CPU of reading, settling and writing traces against a bare decode and write of the same rows, and memory by volume.

The bare side decodes each line with orjson, makes one row a model call and writes them with PyArrow as Parquet: nothing is
assembled, claimed, gated or committed. Gates off means that no text is searched; claims are read all the same.
"""

from __future__ import annotations

import json
import random
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from bench.row import Row
from steps.contract.catalog import find_step
from steps.contract.config import PipelineConfig
from steps.contract.runtime import run_step
from steps.contract.spec import StepContext

TRACES = 3_000
FLAT_TRACES = (2_000, 20_000)
T0 = 1_780_000_000 * 10**9
WORDS = ("relay", "port", "hub", "town", "river", "stone", "cloud", "night", "paper", "table", "warm", "light", "order", "price", "story")
CLAIMS = {"ctp.consent": "train", "ctp.region": "eu-west-1", "ctp.confidentiality": "internal", "user.id": "u"}


def _text(rng: random.Random, words: int) -> str:
    return " ".join(rng.choices(WORDS, k=words)).capitalize() + "."


def _span(trace: int, number: int, attributes: dict[str, str], parent: str = "") -> dict[str, object]:
    pairs = [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()]
    times = {"startTimeUnixNano": str(T0 + number), "endTimeUnixNano": str(T0 + number + 10**9)}
    return {
        "traceId": f"{trace:032x}",
        "spanId": f"{trace * 8 + number:016x}",
        "parentSpanId": parent,
        "name": "chat",
        **times,
        "attributes": pairs,
    }


def _lines(count: int, seed: int) -> Iterator[bytes]:
    """Yield requests of an agent: a root, a call of a tool, an answer; about 6 kB, every tenth with a telephone number."""
    rng = random.Random(seed)
    call = {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "look_up", "arguments": '{"q":"relay"}'}}]}
    system = {"role": "system", "content": _text(rng, 200)}
    for trace in range(1, count + 1):
        phone = f" Call +49 30 {rng.randrange(10**7, 10**8)}." if trace % 10 == 0 else ""
        prompt = [system, {"role": "user", "content": _text(rng, 30) + phone}]
        result = {"role": "tool", "tool_call_id": "c", "content": _text(rng, 120)}
        root = f"{trace * 8 + 1:016x}"
        model = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
        first = {"gen_ai.input.messages": json.dumps(prompt), "gen_ai.output.messages": json.dumps([call])}
        answer = [{"role": "assistant", "content": _text(rng, 40)}]
        second = {"gen_ai.input.messages": json.dumps([*prompt, call, result]), "gen_ai.output.messages": json.dumps(answer)}
        spans = [
            _span(trace, 1, {"gen_ai.operation.name": "invoke_agent", **CLAIMS}),
            _span(trace, 2, {**model, **first}, root),
            _span(trace, 3, {**model, **second}, root),
        ]
        yield orjson.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}) + b"\n"


def _bare(source: Path, target: Path) -> None:
    rows = []
    for line in source.open("rb"):
        for span in orjson.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"]:
            attributes = {pair["key"]: pair["value"]["stringValue"] for pair in span["attributes"]}
            if "gen_ai.input.messages" in attributes:
                rows.append(
                    {
                        "trace_id": span["traceId"],
                        "span_id": span["spanId"],
                        "messages": attributes["gen_ai.input.messages"],
                        "output": attributes["gen_ai.output.messages"],
                        "model": attributes["gen_ai.request.model"],
                        "start": int(span["startTimeUnixNano"]),
                    }
                )
    pq.write_table(pa.Table.from_pylist(rows), target, compression="zstd")


def _ingest(source: Path, folder: Path, *, gates: bool) -> None:
    config = PipelineConfig.model_validate({"govern": {"pii_action": "mask"}})
    ctx = StepContext(config, "bench", folder)
    plan = run_step(find_step("ingest"), {"sources": (str(source),)}, ctx)
    search = mock.patch("steps.govern.batch.which", lambda texts: [False] * len(texts))
    for unit in plan.unit_ids:
        if gates:
            run_step(find_step("govern-shard"), {"unit": unit, "plan": plan.plan}, ctx)
        else:
            with search:
                run_step(find_step("govern-shard"), {"unit": unit, "plan": plan.plan}, ctx)
    run_step(find_step("govern-commit"), {"plan": plan.plan}, ctx)


def _cpu(work: Callable[[], None]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def measure() -> list[Row]:
    """CPU against the bare side, gates off and on, and the growth of memory with ten times the traces."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "traces.jsonl"
        source.write_bytes(b"".join(_lines(TRACES, 1)))
        (folder / "few.jsonl").write_bytes(b"".join(_lines(50, 2)))
        _ingest(folder / "few.jsonl", folder / "warm", gates=True)
        bare = min(_cpu(lambda: _bare(source, folder / "bare.parquet")) for _ in range(3))
        off = _cpu(lambda: _ingest(source, folder / "off", gates=False))
        on = _cpu(lambda: _ingest(source, folder / "on", gates=True))
        peaks = []
        for count in FLAT_TRACES:
            large = folder / f"{count}.jsonl"
            large.write_bytes(b"".join(_lines(count, 3)))
            _ingest(large, folder / f"flat-{count}", gates=False)
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    against = "orjson + PyArrow, one row a call, same run"
    return [
        Row(name="ingest: bare CPU", value=bare / TRACES * 10_000, unit="CPU-s per 10k traces", baseline="", target="", ok=None),
        Row(name="ingest: gates off", value=bare / off, unit="of bare speed", baseline=against, target=">= 0.6", ok=bare / off >= 0.6),
        Row(name="ingest: gates on", value=bare / on, unit="of bare speed", baseline=against, target=">= 0.3", ok=bare / on >= 0.3),
        Row(name="ingest: peak memory", value=peaks[1], unit="MiB", baseline=f"{peaks[0]:.0f} MiB at a tenth", target="", ok=None),
    ]
