"""A lake with two users' traces, labels and a dataset, made by the real steps' own tables."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from steps.contract.catalog import find_step
from steps.contract.config import PipelineConfig
from steps.contract.files import canonical_json, sha256_text
from steps.contract.runtime import run_step
from steps.contract.spec import StepContext
from steps.curate.dataset import lake_rows, write_dataset
from steps.govern.identity import keyed_hash, load_key
from steps.store.lake import open_lake

from ...lake_rows import put_traces
from ..registry.conftest import client, config, make_version  # noqa: F401
from ..release.conftest import api, ctx  # noqa: F401
from ..scoring.conftest import judge_url, lab  # noqa: F401

TODAY = date(2026, 6, 30)
SECRET = "xylophone"


def trace(number, user_hash, *, day=None, text="Which port?", **changes):
    ts = datetime.combine(day or TODAY - timedelta(days=number % 5), datetime.min.time(), UTC) + timedelta(hours=number % 24)
    messages = canonical_json([{"role": "user", "content": text}])
    return {
        "trace_id": f"{number:032x}",
        "source": "otlp",
        "ts": ts,
        "date": ts.date(),
        "model": "agent-model",
        "model_version": "1",
        "consent": "train",
        "status": "ok",
        "user_hash": user_hash,
        "question": text,
        "messages_json": messages,
        "contexts_json": "[]",
        "answer": f"{text} {number}",
        "content_hash": sha256_text(text + str(number)),
        "prompt_key": sha256_text(messages),
    } | changes


@pytest.fixture(name="make_trace")
def _make_trace():
    return trace


@pytest.fixture
def today():
    return TODAY


@pytest.fixture
def secret():
    return SECRET


@pytest.fixture(scope="session")
def registry_uri(tmp_path_factory):
    """One registry for all tests: making its tables takes seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


_NUMBERS = itertools.count(1)


@pytest.fixture
def house(tmp_path, registry_uri):
    """The lake and steps on it: `put`, `rows`, `call`, `fill`, `holding` (files in which a text stands)."""

    model = f"model-{next(_NUMBERS)}"

    def context(**upkeep):
        values = {"model_name": model, "registry": {"tracking_uri": registry_uri}, "upkeep": {"inflight_hours": 0, **upkeep}}
        return StepContext(PipelineConfig.model_validate(values), "r1", tmp_path)

    ctx = context()
    key = load_key(ctx.config.govern, ctx.workdir)

    def put(batch, *rows):
        with open_lake(ctx.config, ctx.workdir) as lake:
            return str(put_traces(lake, rows, batch))

    def rows(table):
        with open_lake(ctx.config, ctx.workdir) as lake:
            return lake.scan(table).to_pylist()

    def call(step, settings=None, **params):
        return run_step(find_step(step), params, context(**(settings or {})))

    def fill():
        """Ten traces of the user `gone` and ten of `stays`, over several commits, with labels and a dataset of both."""
        gone, stays = keyed_hash(key, "gone"), keyed_hash(key, "stays")
        put(
            "b1",
            *[trace(n, gone, text=f"{SECRET} question {n}") for n in range(5)],
            *[trace(n, stays, text=f"plain {n}") for n in range(20, 25)],
        )
        put("b2", *[trace(n, gone, text=f"{SECRET} question {n}") for n in range(5, 10)], *[trace(n, stays) for n in range(25, 30)])
        labels = [
            {"trace_id": row["trace_id"], "policy_version": "p", "content_hash": row["content_hash"], "score": 0.5}
            for row in rows("traces")
        ]
        pairs = [
            {
                "kind": "pair",
                "prompt_key": row["prompt_key"],
                "messages": [{"role": "user", "content": row["question"]}],
                "contexts": [],
                "question": row["question"],
                "chosen": row["answer"],
                "rejected": "no",
                "chosen_trace_id": row["trace_id"],
                "rejected_trace_id": "f" * 32,
            }
            for row in rows("traces")[::4]
        ]
        # Prompts name no trace: their ids are null.
        texts = ("kind", "prompt_key", "messages", "contexts", "question")
        pairs += [{name: pair[name] for name in texts} | {"kind": "prompt"} for pair in pairs]
        path, digest = write_dataset(ctx.artifacts / "datasets", pairs)
        with open_lake(ctx.config, ctx.workdir) as lake:
            lake.replace_batch("labels", pa.Table.from_pylist(labels), "label_batch", "l1", run_id="t")
            lake.replace_batch("datasets", lake_rows(pairs, digest), "dataset_digest", digest, run_id="t")
        return SimpleNamespace(gone=gone, stays=stays, digest=digest, dataset=path)

    def holding(text):
        found = []
        for path in (path for path in tmp_path.rglob("*") if path.is_file()):
            raw = path.read_bytes()
            decoded = str(pq.read_table(path).to_pylist()) if path.suffix == ".parquet" else ""
            if text.encode() in raw or text in decoded:
                found.append(path)
        return found

    return SimpleNamespace(ctx=ctx, key=key, put=put, rows=rows, call=call, fill=fill, holding=holding, folder=tmp_path)
