"""Both steps over files of the real SDKs: what arrives, what is refused, and what is left on disk."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from steps.contract.config import PipelineConfig
from steps.contract.spec import StepContext
from steps.govern.govern_commit import Result
from steps.ingest import ingest
from steps.store.lake import open_lake

from ...fan_out import govern, govern_plan


def check(result):
    """The identity that every result keeps."""
    assert result.read == result.written + result.quarantined + result.stopped + result.duplicates
    assert result.stopped == sum(result.by_gate.values())
    assert {gate: getattr(result, f"stopped_{gate}") for gate in result.by_gate} == result.by_gate
    return result


def configured(**govern):
    return PipelineConfig.model_validate({"govern": govern})


def test_requests_arrive_as_traces(tmp_path, write_requests, run_both, read_table, request_of):
    ids = write_requests(
        tmp_path / "raw", request_of(), request_of(question="And Borealis?", answer="9443.", feedback=0, consent="eval", user="user-2")
    )
    result = check(run_both(tmp_path / "raw", tmp_path / "work"))
    assert (result.read, result.written, result.spans) == (2, 2, 6)
    assert Result.model_validate_json(result.model_dump_json()) == result
    rows = {row["trace_id"]: row for row in read_table(tmp_path / "work", "traces")}
    first, second = (rows[i] for i in ids)
    assert (first["question"], first["answer"], first["feedback"]) == ("Which port does Aurora use?", "8443.", 1.0)
    assert json.loads(first["contexts_json"]) == ["Aurora listens on port 8443.", "Borealis listens on 9443."]
    (call,) = [row for row in read_table(tmp_path / "work", "generations") if row["trace_id"] == ids[0]]
    assert json.loads(call["messages_json"])[0]["content"].startswith("Context:\n- Aurora")
    assert (call["is_answer"], call["revision"], json.loads(call["output_json"])["content"]) == (True, first["revision"], "8443.")
    assert (first["model"], first["model_version"], first["consent"], first["region"], first["confidentiality"]) == (
        "agent-model",
        "2",
        "train",
        "eu-west-1",
        "internal",
    )
    assert (second["consent"], second["feedback"]) == ("eval", 0.0)
    assert first["user_hash"] != second["user_hash"]
    assert len(first["content_hash"]) == len(first["prompt_key"]) == 64
    assert result.snapshot_id == result.traces.snapshot_id > 0


def test_user_id_is_nowhere(tmp_path, write_requests, run_both, holds, request_of):
    write_requests(tmp_path / "raw", request_of(user="zaphod-the-user", session="zaphod@example.com"))
    run_both(tmp_path / "raw", tmp_path / "work")
    assert holds(tmp_path / "work", "zaphod") == []


PLANTED = "xylophone-quartz"


@pytest.mark.parametrize(
    ("change", "config", "gate", "rule"),
    [
        ({"consent": None}, {}, "consent", "consent-none"),
        ({"consent": "maybe"}, {}, "consent", "consent-unknown"),
        ({"region": "cn-north-1"}, {}, "region", "region-not-allowed"),
        ({"region": None}, {}, "region", "region-missing"),
        ({"confidentiality": "restricted"}, {}, "confidentiality", "class-restricted"),
        ({"confidentiality": None}, {}, "confidentiality", "class-missing"),
        ({"answer": f"{PLANTED} bob@example.com"}, {"pii_action": "drop"}, "pii", "pii-email"),
    ],
)
def test_refused_text_is_nowhere(tmp_path, write_requests, run_both, read_table, holds, request_of, change, config, gate, rule):
    fields = {
        "question": f"{PLANTED} question",
        "contexts": (f"{PLANTED} context",),
        "answer": f"{PLANTED} answer",
        "extra": {"note": PLANTED},
    }
    refused, _ = write_requests(tmp_path / "raw", request_of(**{**fields, **change}), request_of())
    config = configured(**config)
    result = check(run_both(tmp_path / "raw", tmp_path / "work", config))
    assert (result.read, result.written, result.by_gate[gate], result.stopped) == (2, 1, 1, 1)
    (entry,) = read_table(tmp_path / "work", "gate_ledger")
    assert (entry["trace_id"], entry["gate"], entry["rule"], entry["action"]) == (refused, gate, rule, "stopped")
    assert holds(tmp_path / "work", PLANTED) == []


def test_masked_text_is_nowhere_and_the_rest_stays(tmp_path, write_requests, run_both, read_table, holds, request_of):
    (masked,) = write_requests(
        tmp_path / "raw",
        request_of(question="I am 김철수님, 010-9876-5432. Which port?", contexts=("Call Ford@betelgeuse.example about port 8443.",)),
    )
    result = check(run_both(tmp_path / "raw", tmp_path / "work", configured(pii_action="mask")))
    assert (result.written, result.masked, result.stopped) == (1, 1, 0)
    (row,) = read_table(tmp_path / "work", "traces")
    assert row["question"] == "I am <NAME_1>님, <PHONE_1>. Which port?"
    (call,) = read_table(tmp_path / "work", "generations")
    assert "<EMAIL_1> about port 8443." in call["messages_json"]
    assert row["pii_masked"] == ["email", "name", "phone"]
    assert {(e["trace_id"], e["rule"], e["action"]) for e in read_table(tmp_path / "work", "gate_ledger")} == {
        (masked, f"pii-{k}", "masked") for k in row["pii_masked"]
    }
    for text in ("김철수", "9876-5432", "betelgeuse"):
        assert holds(tmp_path / "work", text) == []


def test_unusable_traces_are_quarantined_without_text(tmp_path, write_requests, run_both, read_table, holds, request_of):
    write_requests(tmp_path / "raw", request_of(answer=None, question=PLANTED), request_of())
    with (tmp_path / "raw" / "app.jsonl").open("ab") as file:
        file.write(b'{"xylophone-quartz": \xff}\n' + b"[" * 2000 + b"\n" + b'{"resourceSpans": [{"xylophone-quartz')
    result = check(run_both(tmp_path / "raw", tmp_path / "work"))
    assert (result.read, result.written, result.quarantined) == (5, 1, 4)
    assert sorted(row["reason"] for row in read_table(tmp_path / "work", "quarantine")) == [
        "no-answer",
        "not-json",
        "not-utf8",
        "truncated",
    ]
    assert holds(tmp_path / "work", PLANTED) == []


def test_running_again_changes_nothing(tmp_path, write_requests, run_both, read_table, request_of):
    write_requests(
        tmp_path / "raw", *[request_of(question=f"Question {i}?") for i in range(5)], request_of(consent="none"), request_of(answer=None)
    )
    first = check(run_both(tmp_path / "raw", tmp_path / "work"))
    before = {name: read_table(tmp_path / "work", name) for name in ("traces", "gate_ledger", "quarantine")}
    again = check(run_both(tmp_path / "raw", tmp_path / "work", run_id="r2"))
    assert (again.read, again.snapshot_id) == (0, first.snapshot_id)
    ctx = StepContext(PipelineConfig(), "r3", tmp_path / "other")
    planned = ingest.run(ingest.Params(sources=(str(tmp_path / "raw"),)), ctx)
    assert govern_plan(planned, StepContext(PipelineConfig(), "r1", tmp_path / "work")) == first
    assert {name: read_table(tmp_path / "work", name) for name in before} == before


def test_file_that_grew_adds_only_what_is_new(tmp_path, write_requests, run_both, read_table, request_of):
    write_requests(tmp_path / "raw", request_of(), request_of(consent="none"), request_of(answer=None))
    run_both(tmp_path / "raw", tmp_path / "work")
    write_requests(tmp_path / "more", request_of(question="New?"))
    for name in ("app.jsonl", "server.jsonl"):
        with (tmp_path / "raw" / name).open("ab") as file:
            file.write((tmp_path / "more" / name).read_bytes())
    result = check(run_both(tmp_path / "raw", tmp_path / "work", run_id="r2"))
    assert (result.read, result.written, result.duplicates) == (4, 1, 1)
    assert len(read_table(tmp_path / "work", "traces")) == 2
    assert len(read_table(tmp_path / "work", "gate_ledger")) == len(read_table(tmp_path / "work", "quarantine")) == 1


def test_redelivery_under_another_name_is_a_duplicate(tmp_path, write_requests, run_both, read_table, request_of):
    write_requests(tmp_path / "raw", request_of(), request_of())
    check(run_both(tmp_path / "raw", tmp_path / "work"))
    again = tmp_path / "again"
    again.mkdir()
    data = b"".join((tmp_path / "raw" / name).read_bytes() for name in ("server.jsonl", "app.jsonl"))
    (again / "1.jsonl.gz").write_bytes(gzip.compress(data + data))
    result = check(run_both(again, tmp_path / "work", run_id="r2"))
    assert (result.read, result.written, result.duplicates) == (2, 0, 2)
    assert len(read_table(tmp_path / "work", "traces")) == 2


def test_sharded_folder_keeps_traces_whole(tmp_path, write_requests, run_both, read_table, request_of):
    write_requests(tmp_path / "raw", *[request_of(question=f"Question {i}?") for i in range(12)])
    size = sum(path.stat().st_size for path in (tmp_path / "raw").iterdir())
    config = PipelineConfig.model_validate({"ingest": {"unit_bytes": size // 3}})
    result = check(run_both(tmp_path / "raw", tmp_path / "work", config))
    assert (result.read, result.written) == (12, 12)
    assert run_both(tmp_path / "raw", tmp_path / "work", config, "r2").read == 0


def test_erased_user_does_not_come_back(tmp_path, write_requests, run_both, read_table, request_of):
    import pyarrow as pa

    from steps.govern.identity import keyed_hash, load_key

    write_requests(tmp_path / "raw", request_of(user="gone"), request_of(user="stays"))
    with open_lake(PipelineConfig(), tmp_path / "work") as lake:
        user = keyed_hash(load_key(PipelineConfig().govern, tmp_path / "work"), "gone")
        lake.replace_batch("erasures", pa.table({"user_hash": [user]}), "user_hash", user, run_id="erase")
    result = check(run_both(tmp_path / "raw", tmp_path / "work"))
    assert (result.written, result.by_gate["consent"]) == (1, 1)
    assert [entry["rule"] for entry in read_table(tmp_path / "work", "gate_ledger")] == ["user-erased"]


def test_file_that_changed_since_planning_is_read_again(tmp_path, write_requests, run_both, read_table, request_of):
    write_requests(tmp_path / "raw", request_of())
    ctx = StepContext(PipelineConfig(), "r1", tmp_path / "work")
    planned = ingest.run(ingest.Params(sources=(str(tmp_path / "raw"),)), ctx)
    path = tmp_path / "raw" / "server.jsonl"
    changed = path.read_bytes().replace(b"8443.", b"7443.")
    govern_plan(planned, ctx)
    path.write_bytes(changed)
    result = check(run_both(tmp_path / "raw", tmp_path / "work", run_id="r2"))
    assert (result.written, result.duplicates) == (1, 0)
    assert [row["answer"] for row in read_table(tmp_path / "work", "traces")] == ["7443."]


def test_done_unit_is_not_read_again_even_when_its_files_are_gone(tmp_path, write_requests, request_of):
    write_requests(tmp_path / "raw", request_of())
    ctx = StepContext(PipelineConfig(), "r1", tmp_path / "work")
    planned = ingest.run(ingest.Params(sources=(str(tmp_path / "raw"),)), ctx)
    first = govern_plan(planned, ctx)
    shutil.rmtree(tmp_path / "raw")
    assert govern_plan(planned, ctx) == first


def test_nothing_to_do(tmp_path):
    result = check(govern(StepContext(PipelineConfig(), "r1", tmp_path)))
    assert (result.read, result.snapshot_id) == (0, 0)


def test_binary_otlp(tmp_path, run_both, read_table):
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    claims = {"ctp.consent": "train", "ctp.region": "eu-west-1", "ctp.confidentiality": "public"}
    asked = [{"role": "user", "parts": [{"type": "text", "content": "Context:\n- A\nQuestion: q?"}]}]
    with provider.get_tracer("t").start_as_current_span(
        "chat m", attributes={"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", **claims}
    ) as span:
        span.set_attribute("gen_ai.input.messages", asked)
        span.set_attribute("gen_ai.output.messages", [{"role": "assistant", "parts": [{"type": "text", "content": "a."}]}])
    source = tmp_path / "raw" / "traces_1.binpb"
    source.parent.mkdir()
    source.write_bytes(encode_spans(exporter.get_finished_spans()).SerializeToString())
    assert check(run_both(source.parent, tmp_path / "work")).written == 1
    (row,) = read_table(tmp_path / "work", "traces")
    assert (row["question"], row["contexts_json"], row["answer"]) == ("q?", "[]", "a.")


def test_langfuse_sdk(tmp_path, run_both, read_table):
    from langfuse import Langfuse, propagate_attributes
    from opentelemetry.exporter.otlp.json.file.trace_exporter import FileSpanExporter

    exporter = InMemorySpanExporter()
    client = Langfuse(
        public_key="pk-lf-test", secret_key="sk-lf-test", base_url="http://127.0.0.1:9", span_exporter=exporter, environment="test"
    )
    claims = {"consent": "train", "region": "eu-west-1", "confidentiality": "internal"}
    with (
        client.start_as_current_observation(name="qa", as_type="agent", input={"question": "Who?"}),
        propagate_attributes(metadata=claims, user_id="u1", session_id="s1"),
    ):
        with client.start_as_current_observation(name="search", as_type="retriever", input="Who?") as retriever:
            retriever.update(output=[{"page_content": "It was Bob."}])
        asked = [{"role": "user", "content": "It was Bob. Who?"}]
        with client.start_as_current_observation(
            name="llm", as_type="generation", model="agent-model", input=asked, usage_details={"input": 3, "output": 2}
        ) as generation:
            generation.update(output={"role": "assistant", "content": "Bob."})
    client.flush()
    (tmp_path / "raw").mkdir()
    writer = FileSpanExporter(path=str(tmp_path / "raw" / "spans.jsonl"))
    writer.export(exporter.get_finished_spans())
    writer.shutdown()
    client.shutdown()
    assert check(run_both(tmp_path / "raw", tmp_path / "work")).written == 1
    (row,) = read_table(tmp_path / "work", "traces")
    assert (row["question"], row["contexts_json"], row["answer"], row["session_id"], row["environment"]) == (
        "Who?",
        '["It was Bob."]',
        "Bob.",
        "s1",
        "test",
    )
    assert (row["consent"], row["region"], row["model"], row["input_tokens"]) == ("train", "eu-west-1", "agent-model", 3)


def test_langfuse_export_with_scores(tmp_path, run_both, read_table):
    project = tmp_path / "raw" / "project"
    stamp = "2026-08-01T11-00-00"
    rows = [
        {
            "id": f"o{i}",
            "trace_id": f"t{i}",
            "type": "GENERATION",
            "start_time": "2026-08-01 10:00:00.000000",
            "end_time": "2026-08-01 10:00:01.000000",
            "input": '{"question":"Q?","context":["C."]}',
            "output": "A.",
            "metadata": {"consent": '"train"', "region": "eu-west-1", "confidentiality": "public"},
            "provided_model_name": "m",
            "usage_details": {},
        }
        for i in range(2)
    ]
    score = {"id": "s", "timestamp": "2026-08-01 10:05:00", "trace_id": "t0", "name": "user_feedback", "value": 0, "data_type": "NUMERIC"}
    late = {**score, "trace_id": "elsewhere"}
    for table, lines in (("observations_v2", rows + rows[:1]), ("scores", [score, late])):
        (project / table).mkdir(parents=True)
        (project / table / f"{stamp}.jsonl.gz").write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode()))
    (project / "manifests").mkdir()
    (project / "manifests" / f"{stamp}.json").write_text("{}")
    result = check(run_both(project.parent, tmp_path / "work"))
    assert (result.read, result.written, result.quarantined, result.spans) == (2, 2, 0, 3)
    traces = {row["trace_id"]: row for row in read_table(tmp_path / "work", "traces")}
    assert [traces[f"t{i}"]["feedback"] for i in range(2)] == [0.0, None]
    assert (traces["t0"]["question"], traces["t0"]["contexts_json"]) == ("Q?", '["C."]')
    scores = read_table(tmp_path / "work", "feedback")
    assert [row["value"] for row in scores] == [0.0, 0.0], "a score may come before its trace"
    assert "t0" in {row["trace_id"] for row in scores}


HALUEVAL = Path(__file__).parents[4] / "shared" / "data" / "halueval_qa.jsonl"


def _otlp_prompt(row, trace_id, answer):
    def pair(key, value):
        return {"key": key, "value": {"stringValue": value}}

    prompt = f"Context:\n- {row['knowledge']}\nQuestion: {row['question']}"
    attributes = [
        pair(*item)
        for item in {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "m",
            "ctp.consent": "train",
            "ctp.region": "eu-west-1",
            "ctp.confidentiality": "public",
            "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": prompt}]}]),
            "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": answer}]}]),
        }.items()
    ]
    span = {
        "traceId": trace_id,
        "spanId": "01" * 8,
        "startTimeUnixNano": "1780000000000000000",
        "endTimeUnixNano": "1780000001000000000",
        "attributes": attributes,
    }
    return {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}


def _langfuse_row(row, trace_id, answer):
    return {
        "id": "o",
        "trace_id": trace_id,
        "type": "GENERATION",
        "start_time": "2026-08-01 10:00:00",
        "end_time": "2026-08-01 10:00:01",
        "provided_model_name": "m",
        "input": json.dumps({"question": row["question"], "knowledge": row["knowledge"]}),
        "output": json.dumps(answer),
        "metadata": {"consent": "train", "region": "eu-west-1", "confidentiality": "public"},
    }


def _rag_prompt_row(row, trace_id, answer):
    asked = [
        {"role": "system", "content": "Use the context."},
        {"role": "user", "content": f"<context>{row['knowledge']}</context>\n\n{row['question']}"},
    ]
    return {
        **_langfuse_row(row, trace_id, answer),
        "input": json.dumps(asked),
        "output": json.dumps({"role": "assistant", "content": answer}),
    }


@pytest.mark.skipif(
    not HALUEVAL.exists(), reason="the HaluEval rows (MIT) are not part of the repository: put halueval_qa.jsonl into ../shared/data"
)
@pytest.mark.parametrize("shape", [_otlp_prompt, _langfuse_row, _rag_prompt_row])
def test_real_questions_arrive_whole(tmp_path, run_both, read_table, shape):
    rows = [json.loads(line) for line in HALUEVAL.read_text().splitlines()[:100]]
    expected = {
        f"{i + 1:032x}": (row, row[kind])
        for i, (row, kind) in enumerate((row, kind) for row in rows for kind in ("right_answer", "hallucinated_answer"))
    }
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.jsonl").write_text("\n".join(json.dumps(shape(row, key, answer)) for key, (row, answer) in expected.items()))
    config = PipelineConfig.model_validate({"govern": {"pii_action": "mask"}, "ingest": {"contexts_in_prompts": True}})
    result = check(run_both(tmp_path / "raw", tmp_path / "work", config))
    assert (result.read, result.written) == (200, 200)
    stored = {row["trace_id"]: row for row in read_table(tmp_path / "work", "traces")}
    assert stored.keys() == expected.keys()
    for key, (row, answer) in expected.items():
        if not stored[key]["pii_masked"]:
            assert (stored[key]["question"], json.loads(stored[key]["contexts_json"]), stored[key]["answer"]) == (
                row["question"].strip(),
                [row["knowledge"].strip()],
                answer.strip(),
            )
    assert sum(bool(row["pii_masked"]) for row in stored.values()) <= 20, "public figures with a title are masked, and little else"
