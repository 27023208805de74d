from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from steps.config import GovernConfig, PipelineConfig
from steps.core.process import ServerProcess
from steps.core.telemetry import make_tracer_provider
from steps.core.trace import Trace
from steps.errors import ConfigError, TransientError
from steps.label.metrics import Scores
from steps.serve.quality import QualityMonitor, admit
from steps.serve.quality_counters import Budget, QualityCounters


def trace(**changes: Any) -> Trace:
    values: dict[str, Any] = {
        "trace_id": "1" * 32,
        "ts": datetime(2026, 1, 1, tzinfo=UTC),
        "model": "agent-model",
        "model_version": "3",
        "consent": "train",
        "region": "eu-west-1",
        "confidentiality": "internal",
        "question": "Which port does Aurora listen on?",
        "contexts": ["Aurora listens on port 8443."],
        "answer": "Aurora listens on port 8443.",
    }
    return Trace(**(values | changes))


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, ""),
        ({"consent": "eval"}, ""),
        ({"consent": "none"}, "refused_consent"),
        ({"region": ""}, "refused_region"),
        ({"confidentiality": "restricted"}, "refused_confidentiality"),
        ({"status": "error"}, "error"),
    ],
)
def test_only_what_the_gates_let_through_is_scored(changes: dict[str, Any], status: str) -> None:
    assert admit(trace(**changes), GovernConfig()) == status


def test_personal_data_is_masked_before_the_judge_or_refused() -> None:
    masked = trace(question="I am jo@example.com, which port?")
    assert admit(masked, GovernConfig(pii_action="mask")) == ""
    assert "jo@example.com" not in masked.question
    assert admit(trace(question="I am jo@example.com"), GovernConfig(pii_action="drop")) == "refused_pii"


def monitored(traces: list[Trace | str], answers: list[Scores | Exception], budget: Budget | None = None) -> QualityCounters:
    counters, queue = QualityCounters(), iter(answers)

    async def score(question: str, contexts: list[str], answer: str) -> Scores:
        result = next(queue)
        if isinstance(result, Exception):
            raise result
        return result

    async def main() -> None:
        monitor = QualityMonitor(PipelineConfig(), counters, budget or Budget(100), score)
        for one in traces:
            monitor.take(one)
        worker = asyncio.create_task(monitor.work())
        await asyncio.sleep(0.05)
        worker.cancel()

    asyncio.run(main())
    return counters


def test_every_trace_is_counted_and_none_is_guessed() -> None:
    answers = [Scores(faithfulness=0.5), Scores(error="no contexts"), Scores(error="x", judge_failed=True), TransientError("judge is down")]
    counters = monitored([trace() for _ in answers] + [trace(consent="none"), "no-generation"], answers)
    quality = counters.of("agent-model", "3")
    assert (quality.count, quality.total, quality.squares) == (1, 0.5, 0.25)
    assert quality.by_status == {"scored": 1, "unscored": 1, "judge_error": 2, "refused_consent": 1}
    assert counters.of("", "").by_status == {"no_generation": 1}


def test_what_is_over_budget_is_counted() -> None:
    counters = monitored([trace() for _ in range(5)], [Scores(faithfulness=1.0)] * 5, Budget(100, max_in_all=2))
    assert counters.of("agent-model", "3").by_status == {"over_budget": 3, "scored": 2}


def test_feedback_of_those_who_agreed_is_counted() -> None:
    traces: list[Trace | str] = [trace(feedback=1.0), trace(feedback=0.0), trace(feedback=1.0, consent="none")]
    quality = monitored(traces, [Scores(faithfulness=1.0)] * 2).of("agent-model", "3")
    assert (quality.up, quality.down) == (1, 1)


def write_request(app: Any, served: Any, answer: str, consent: str) -> None:
    from opentelemetry import trace as otel

    def text(role: str, content: str) -> str:
        return json.dumps([{"role": role, "parts": [{"type": "text", "content": content}]}])

    question = "Which port does Aurora listen on?"
    claims = {"ctp.consent": consent, "ctp.region": "eu-west-1", "ctp.confidentiality": "public"}
    root = app.start_span(
        "invoke_agent", attributes={"gen_ai.operation.name": "invoke_agent", "gen_ai.input.messages": text("user", question), **claims}
    )
    below = otel.set_span_in_context(root)
    documents = json.dumps([{"id": "0", "content": "Aurora listens on port 8443."}])
    app.start_span(
        "retrieve", context=below, attributes={"gen_ai.operation.name": "retrieval", "gen_ai.retrieval.documents": documents}
    ).end()
    chat = {"gen_ai.operation.name": "chat", "gen_ai.response.model": "agent-model", "gen_ai.input.messages": text("user", question)}
    served.start_span("chat agent-model", context=below, attributes=chat | {"gen_ai.output.messages": text("assistant", answer)}).end()
    root.end()


def test_live_answers_become_counters_of_their_version(tmp_path: Path, http: Any) -> None:
    spans = tmp_path / "spans"
    with ServerProcess("judge", {}, log_file=tmp_path / "judge.log") as judge:
        config = PipelineConfig()
        url = f"{judge.wait_healthy(60).url}/v1"
        gate = config.gate_judge.model_copy(update={"base_url": url})
        path = tmp_path / "config.json"
        path.write_text(config.model_copy(update={"gate_judge": gate}).model_dump_json())
        with ServerProcess("quality", {"config": path, "spans_dir": [spans]}, log_file=tmp_path / "quality.log") as quality:
            quality.wait_healthy(60)
            providers = [make_tracer_provider("app", "1", spans), make_tracer_provider("agent-model", "3", spans)]
            app, served = (provider.get_tracer("test") for provider in providers)
            for answer in ("Aurora listens on port 8443.", "Aurora listens on port 9999."):
                write_request(app, served, answer, "train")
            write_request(app, served, "Aurora listens on port 8443.", "none")
            deadline = time.monotonic() + 20
            label = '{model_name="agent-model",model_version="3"}'
            while f"ctp_quality_faithfulness_count{label} 2.0" not in (text := http.get(f"{quality.url}/metrics")[1]):
                assert time.monotonic() < deadline, text
                time.sleep(0.1)
            assert f"ctp_quality_faithfulness_sum{label} 1.0" in text
            assert 'model_version="3",status="refused_consent"} 1.0' in text
            for provider in providers:
                provider.shutdown()
            assert quality.stop() == 0
        assert quality.log_file.read_text() == ""


def test_a_judge_url_is_required(tmp_path: Path) -> None:
    with (
        ServerProcess("quality", {"spans_dir": tmp_path}, log_file=tmp_path / "log") as server,
        pytest.raises(ConfigError, match="base_url is empty"),
    ):
        server.wait_healthy(60)
