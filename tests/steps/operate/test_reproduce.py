"""From a registered version back to its training file, through a small real lake and a real registry."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from steps.contract.errors import DataError
from steps.contract.files import canonical_json, sha256_text
from steps.contract.refs import ArtifactRef
from steps.contract.spec import StepContext
from steps.curate import curate
from steps.operate.reproduce import reproduce
from steps.store.lake import open_lake
from steps.store.lake_maintenance import expire

from ...lake_rows import put_traces

AT = datetime(2026, 1, 1, tzinfo=UTC)


def row(number, answer, score):
    messages = [{"role": "user", "content": f"Question {number} with é and \u2028?"}]
    contexts = [f"Fact {number}."]
    trace = {
        "trace_id": f"t{number}-{answer}",
        "source": "otlp",
        "ts": AT,
        "date": date(2026, 1, 1),
        "model": "m",
        "model_version": "",
        "consent": "train",
        "question": messages[0]["content"],
        "messages_json": json.dumps(messages),
        "contexts_json": json.dumps(contexts),
        "answer": answer,
        "status": "ok",
        "content_hash": sha256_text(f"{number}{answer}"),
        "prompt_key": sha256_text(canonical_json([messages, contexts])),
        "ingest_batch": "b",
        "ingested_at": AT,
    }
    label = {"trace_id": trace["trace_id"], "policy_version": "p", "content_hash": trace["content_hash"], "score": score}
    return trace, label | {"status": "scored", "label_batch": "b"}


def write(lake, numbers, batch="b"):
    rows = [row(number, *kind) for number in numbers for kind in (("good", 0.9 + number / 100), ("bad", 0.1))]
    traces = put_traces(lake, [trace for trace, _ in rows], batch)
    labels = pa.Table.from_pylist([label | {"label_batch": batch} for _, label in rows])
    return traces, lake.replace_batch("labels", labels, "label_batch", batch, run_id="r")


@pytest.fixture
def trained(config, tmp_path, make_version):
    """A version with its dataset, in a lake that has grown since: (context, version, dataset result)."""
    config = config.model_copy(update={"curate": config.curate.model_copy(update={"min_pairs": 1})})
    ctx = StepContext(config=config, run_id="run", workdir=tmp_path)
    golden = tmp_path / "golden.jsonl"
    golden.write_text(json.dumps({"id": "g", "question": "Question 2 with é and?", "messages": [{"role": "user", "content": "?"}]}) + "\n")
    with open_lake(config, tmp_path) as lake:
        traces, labels = write(lake, range(6))
    ref = ArtifactRef(uri=golden.as_uri(), sha256=sha256_text(golden.read_text()))
    made = curate.run(curate.Params(traces=traces, labels=labels, policy_version="p", golden=ref), ctx)
    with open_lake(config, tmp_path) as lake:
        write(lake, range(6, 9), batch="later")
    version = make_version(ctp_dataset_sha256=made.digest, ctp_traces=str(traces))
    return ctx, f"{config.model_name}@{version}", made


def test_the_golden_question_is_not_in_the_file_and_the_file_comes_out_byte_for_byte(trained, tmp_path):
    ctx, model, made = trained
    original = Path(made.dataset.local_path()).read_bytes()
    assert b"Question 2" not in original and made.pairs == 5
    found = reproduce(ctx.config, ctx.workdir, model, tmp_path / "again.jsonl")
    assert (found.source, found.why_not_traces, found.rows) == ("traces", "", made.pairs + made.prompts)
    assert (tmp_path / "again.jsonl").read_bytes() == original


def expire_all(ctx, *tables):
    with open_lake(ctx.config, ctx.workdir) as lake:
        for table in tables:
            lake.upkeep(table, lambda opened: expire(opened, lambda snapshot: True))


def test_after_the_snapshot_expired_the_rows_of_the_lake_give_the_same_bytes(trained):
    ctx, model, made = trained
    original = Path(made.dataset.local_path()).read_bytes()
    Path(made.dataset.local_path()).unlink()
    expire_all(ctx, "traces")
    found = reproduce(ctx.config, ctx.workdir, model)
    assert found.source == "datasets" and "has expired" in found.why_not_traces
    assert Path(found.path).read_bytes() == original


def test_when_everything_is_gone_one_line_says_so(trained):
    ctx, model, made = trained
    expire_all(ctx, "traces", "labels")
    with open_lake(ctx.config, ctx.workdir) as lake:
        lake.delete_rows("datasets", {"dataset_digest": made.digest}, run_id="r")
    with pytest.raises(DataError, match=r"cannot be reproduced: snapshot ctp.traces@\d+ and ctp.labels@\d+ has expired.*no longer"):
        reproduce(ctx.config, ctx.workdir, model)


def test_other_bytes_are_refused(trained, monkeypatch):
    ctx, model, _ = trained
    expire_all(ctx, "traces")
    with open_lake(ctx.config, ctx.workdir) as lake:
        rows = lake.scan("datasets")
        changed = rows.set_column(rows.column_names.index("question"), "question", pa.array(["other"] * rows.num_rows))
        digest = rows.column("dataset_digest")[0].as_py()
        lake.replace_batch("datasets", changed, "dataset_digest", digest, run_id="r")
    with pytest.raises(DataError, match="other bytes came out of datasets"):
        reproduce(ctx.config, ctx.workdir, model)


def test_a_version_without_a_dataset(config, make_version, tmp_path):
    with pytest.raises(DataError, match="no dataset is on record"):
        reproduce(config, tmp_path, f"{config.model_name}@{make_version()}")
    with pytest.raises(DataError, match="is not MODEL@VERSION"):
        reproduce(config, tmp_path, config.model_name)
