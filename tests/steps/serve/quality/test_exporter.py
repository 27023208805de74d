from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from steps.chat.generation import Generation
from steps.chat.trace import Trace
from steps.cluster.process import ServerProcess
from steps.cluster.telemetry import make_tracer_provider
from steps.contract.config import GovernConfig, PipelineConfig
from steps.contract.errors import ConfigError, TransientError
from steps.scoring.metrics import Scores
from steps.serve.quality.counters import Budget, QualityCounters, ScoreSums
from steps.serve.quality.exporter import QualityMonitor, admit, serve_quality
from steps.serve.quality.live_traces import LiveTrace

VERSION = ("agent-model", "3", "5d4f")


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
    }
    answer = {"role": "assistant", "content": changes.pop("answer", "Aurora listens on port 8443.")}
    calls = {"generations": [Generation("s", output=answer)], "answer_span_id": "s", "answer_source": "main-path"}
    return Trace(**(values | calls | changes))


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
            monitor.take(one if isinstance(one, str) else LiveTrace(one, "5d4f"))
        worker = asyncio.create_task(monitor.work())
        await asyncio.sleep(0.05)
        worker.cancel()

    asyncio.run(main())
    return counters


def test_every_trace_is_counted_and_none_is_guessed() -> None:
    answers = [
        Scores(faithfulness=0.5, answer_relevancy=0.25),
        Scores(error="no contexts"),
        Scores(error="x", judge_failed=True),
        TransientError("judge is down"),
    ]
    counters = monitored([trace() for _ in answers] + [trace(consent="none"), "no-generation"], answers)
    quality = counters.of(VERSION)
    assert quality.scores["faithfulness"] == ScoreSums(1, 0.5, 0.25)
    assert quality.scores["answer_relevancy"] == ScoreSums(1, 0.25, 0.0625)
    assert quality.by_status == {"scored": 1, "unscored": 1, "judge_error": 2, "refused_consent": 1}
    assert counters.of(("", "", "")).by_status == {"no_generation": 1}


def test_a_metric_without_a_score_is_left_out() -> None:
    quality = monitored([trace()], [Scores(answer_relevancy=0.5, error="x", judge_failed=True)]).of(VERSION)
    assert (quality.scores["faithfulness"].count, quality.scores["answer_relevancy"].count) == (0, 1)
    assert quality.by_status == {"scored": 1}


def test_what_is_over_budget_is_counted() -> None:
    counters = monitored([trace() for _ in range(5)], [Scores(faithfulness=1.0)] * 5, Budget(100, max_in_all=2))
    assert counters.of(VERSION).by_status == {"over_budget": 3, "scored": 2}


def test_feedback_of_those_who_agreed_is_counted() -> None:
    traces: list[Trace | str] = [trace(feedback=1.0), trace(feedback=0.0), trace(feedback=1.0, consent="none")]
    quality = monitored(traces, [Scores(faithfulness=1.0)] * 2).of(VERSION)
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


@contextlib.contextmanager
def exporter(folder: Path, **options: Any) -> Iterator[ServerProcess]:
    """The exporter with the offline judge behind it."""
    with ServerProcess("judge", {}, log_file=folder / "judge.log") as judge:
        config = PipelineConfig()
        url = f"{judge.wait_healthy(60).url}/v1"
        gate = config.gate_judge.model_copy(update={"base_url": url})
        path = folder / "config.json"
        path.write_text(config.model_copy(update={"gate_judge": gate}).model_dump_json())
        with ServerProcess("quality", {"config": path, **options}, log_file=folder / "quality.log") as quality:
            yield quality.wait_healthy(60)
            assert quality.stop() == 0
        assert quality.log_file.read_text() == ""


def metrics_with(line: str, url: str, http: Any) -> str:
    deadline = time.monotonic() + 20
    while line not in (text := http.get(f"{url}/metrics")[1]):
        assert time.monotonic() < deadline, text
        time.sleep(0.1)
    return str(text)


def test_live_answers_become_counters_of_their_version(tmp_path: Path, http: Any) -> None:
    spans = tmp_path / "spans"
    with exporter(tmp_path, spans_dir=[spans]) as quality:
        attributes = {"ctp.pod_template_hash": "5d4f"}
        providers = [make_tracer_provider("app", "1", spans), make_tracer_provider("agent-model", "3", spans, attributes=attributes)]
        app, served = (provider.get_tracer("test") for provider in providers)
        for answer in ("Aurora listens on port 8443.", "Aurora listens on port 9999."):
            write_request(app, served, answer, "train")
        write_request(app, served, "Aurora listens on port 8443.", "none")
        label = '{model_name="agent-model",model_version="3",pod_template_hash="5d4f"}'
        text = metrics_with(f"ctp_quality_faithfulness_count{label} 2.0", quality.url, http)
        assert f"ctp_quality_faithfulness_sum{label} 1.0" in text
        assert f"ctp_quality_answer_relevancy_count{label} 2.0" in text
        assert f'{label[:-1]},status="refused_consent"}} 1.0' in text
        for provider in providers:
            provider.shutdown()


def test_a_collector_sends_spans_of_several_services(tmp_path: Path, http: Any) -> None:
    """As its otlphttp exporter does: protobuf, gzip, one request for each batch, the root before the model's span."""
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    with exporter(tmp_path, otlp_port=0, quiet_s=1.5, metric=["faithfulness"]) as quality:
        endpoint = f"http://127.0.0.1:{quality.ports['otlp_port']}/v1/traces"

        def provider(**attributes: str) -> TracerProvider:
            made = TracerProvider(resource=Resource({key.replace("__", "."): value for key, value in attributes.items()}))
            exporter = OTLPSpanExporter(endpoint=endpoint, compression=Compression.Gzip)
            made.add_span_processor(BatchSpanProcessor(exporter))
            return made

        app = provider(service__name="app", service__version="1")
        served = provider(service__name="agent-model", service__version="4", ctp__pod_template_hash="77aa")
        write_request(app.get_tracer("t"), served.get_tracer("t"), "Aurora listens on port 8443.", "eval")
        app.shutdown()
        served.shutdown()
        label = '{model_name="agent-model",model_version="4",pod_template_hash="77aa"}'
        text = metrics_with(f"ctp_quality_faithfulness_count{label} 1.0", quality.url, http)
        assert f"ctp_quality_answer_relevancy_count{label} 0.0" in text, "it was not asked for"


def test_a_judge_url_is_required(tmp_path: Path) -> None:
    with (
        ServerProcess("quality", {"spans_dir": tmp_path}, log_file=tmp_path / "log") as server,
        pytest.raises(ConfigError, match="base_url is empty"),
    ):
        server.wait_healthy(60)


def test_it_must_see_spans_and_know_its_metrics() -> None:
    config = PipelineConfig()
    config = config.model_copy(update={"gate_judge": config.gate_judge.model_copy(update={"base_url": "http://127.0.0.1:9/v1"})})
    with pytest.raises(ConfigError, match="give --spans-dir, --otlp-port or both"):
        serve_quality(config, 0)
    with pytest.raises(ConfigError, match="'judge' is not exported"):
        serve_quality(config, 0, otlp_port=0, metrics=["judge"])
