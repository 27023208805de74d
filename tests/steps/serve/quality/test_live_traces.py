from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from steps.chat.span import Span
from steps.serve.quality.live_traces import MAX_OPEN_TRACES, LiveTrace, LiveTraces, SpanTail, pod_template_hash

ID = "0af7651916cd43dd8448eb211c80319c"


def attribute(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "value": {"stringValue": value}}


def line(name: str, parent: str = "", trace_id: str = ID, **attributes: str) -> bytes:
    start = str(1_700_000_000 * 10**9)
    span = {
        "traceId": trace_id,
        "spanId": f"{abs(hash(name)):016x}"[:16],
        "parentSpanId": parent,
        "name": name,
        "startTimeUnixNano": start,
        "endTimeUnixNano": start,
    }
    span["attributes"] = [attribute(key.replace("__", "."), value) for key, value in attributes.items()]
    return json.dumps({"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [{"spans": [span]}]}]}).encode() + b"\n"


def chat(**more: str) -> bytes:
    messages = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "Which port?"}]}])
    answer = json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": "8443."}]}])
    attributes = {"gen_ai__operation__name": "chat", "gen_ai__input__messages": messages, "gen_ai__output__messages": answer}
    return line("chat m", "b7ad6b7169203331", **attributes, **more)


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_only_whole_lines_are_read_and_each_once(tmp_path: Path) -> None:
    tail, path = SpanTail([tmp_path]), tmp_path / "a.jsonl"
    whole = line("one")
    append(path, whole[:20])
    assert tail.poll() == []
    append(path, whole[20:] + line("two")[:5])
    assert [span.name for span in tail.poll()] == ["one"]
    assert tail.poll() == []
    assert tail.unreadable == 0


def test_what_was_there_before_is_left_out_unless_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    append(path, line("old"))
    new, all_of_it = SpanTail([tmp_path]), SpanTail([path], replay=True)
    append(path, line("new"))
    append(tmp_path / "b.jsonl", line("other file"))
    assert [span.name for span in new.poll()] == ["new", "other file"]
    assert [span.name for span in all_of_it.poll()] == ["old", "new"]


def test_rubbish_is_counted_and_read_over(tmp_path: Path) -> None:
    tail = SpanTail([tmp_path])
    append(tmp_path / "a.jsonl", b"rubbish\n\n[]\n\xff\xfe\n" + line("bad", trace_id="xyz") + line("good"))
    assert [span.name for span in tail.poll()] == ["good"]
    assert tail.unreadable == 4


def test_a_rotated_and_a_removed_file_are_no_problem(tmp_path: Path) -> None:
    tail, path = SpanTail([tmp_path, tmp_path / "missing"]), tmp_path / "a.jsonl"
    append(path, line("first") + line("second"))
    assert len(tail.poll()) == 2
    path.write_bytes(line("new"))
    assert [span.name for span in tail.poll()] == ["new"]
    path.unlink()
    assert tail.poll() == []


def spans(tmp_path: Path, data: bytes) -> list[Any]:
    path = tmp_path / "spans.jsonl"
    path.write_bytes(data)
    return SpanTail([path], replay=True).poll()


def test_a_trace_is_whole_shortly_after_its_root(tmp_path: Path) -> None:
    now = [0.0]
    traces = LiveTraces(clock=lambda: now[0])
    traces.add(spans(tmp_path, chat(ctp__consent="eval")))
    now[0] = 5.0
    assert traces.whole() == []
    traces.add(spans(tmp_path, line("invoke_agent")))
    assert traces.whole() == []
    now[0] = 5.5
    (found,) = traces.whole()
    assert isinstance(found, LiveTrace)
    assert (found.trace.answer, found.trace.consent, found.pod_template_hash) == ("8443.", "eval", "")


def span_of(service: str, parent: str = "", **resource: str) -> Span:
    named = {"service.name": service} | {key.replace("__", "."): value for key, value in resource.items()}
    return Span(ID, "1", parent, "x", 0, 0, {}, resource=named)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([span_of("app"), span_of("agent-model", "1", ctp__pod_template_hash="5d4f")], "5d4f"),
        ([span_of("app"), span_of("agent-model", "1", **{"k8s__pod__label__rollouts-pod-template-hash": "5d4f"})], "5d4f"),
        ([span_of("app", ctp__pod_template_hash="of-the-app"), span_of("agent-model", "1", ctp__pod_template_hash="5d4f")], "5d4f"),
        ([span_of("app", ctp__pod_template_hash="of-the-app"), span_of("agent-model", "1")], ""),
        ([span_of("agent-model", ctp__pod_template_hash="5d4f")], "5d4f"),
        ([span_of("app")], ""),
    ],
)
def test_the_pods_are_those_of_the_model_server(found: list[Span], expected: str) -> None:
    assert pod_template_hash(found) == expected


def test_more_traces_than_are_kept_are_told() -> None:
    traces = LiveTraces()
    assert not traces.full
    traces.add(Span(f"{number:032x}", "1", "", "x", 0, 0, {}) for number in range(MAX_OPEN_TRACES))
    assert traces.full


def test_a_trace_without_a_root_is_taken_after_a_while_and_never_again(tmp_path: Path) -> None:
    now = [0.0]
    traces = LiveTraces(clock=lambda: now[0])
    traces.add(spans(tmp_path, chat()))
    now[0] = 10.0
    assert len(traces.whole()) == 1
    traces.add(spans(tmp_path, line("invoke_agent")))
    now[0] = 30.0
    assert traces.whole() == []


def test_what_cannot_be_assembled_says_why(tmp_path: Path) -> None:
    now = [0.0]
    traces = LiveTraces(clock=lambda: now[0])
    traces.add(spans(tmp_path, line("invoke_agent")))
    now[0] = 1.0
    assert traces.whole() == ["no-generation"]
