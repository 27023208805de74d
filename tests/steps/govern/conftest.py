"""Trace files as the real SDKs write them, and runs of both steps over them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from opentelemetry import trace as otel
from opentelemetry.exporter.otlp.json.file.trace_exporter import FileSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from steps.chat.generation import Generation
from steps.chat.trace import Trace
from steps.contract.config import PipelineConfig
from steps.contract.spec import StepContext
from steps.store.lake import open_lake

from ...fan_out import govern


def make_trace(**overrides):
    fixed = {
        "trace_id": "ab" * 16,
        "question": "Which port?",
        "contexts": ["Aurora listens on 8443."],
        "consent": "train",
        "region": "eu-west-1",
        "confidentiality": "internal",
        "user_id": "u1",
        "model": "agent-model",
    }
    prompt = overrides.pop("messages", [{"role": "user", "content": "Which port?"}])
    output = {"role": "assistant", "content": overrides.pop("answer", "8443."), **overrides.pop("output", {})}
    call = Generation("01" * 8, messages=prompt, output=output, tools=overrides.pop("tools", []))
    return Trace(**{**fixed, "generations": [call], "answer_span_id": "01" * 8, "answer_source": "main-path", **overrides})


@pytest.fixture(name="make_trace")
def _make_trace():
    return make_trace


@dataclass
class Request:
    """One request of the sample app; None leaves the attribute out."""

    question: str = "Which port does Aurora use?"
    contexts: tuple[str, ...] = ("Aurora listens on port 8443.", "Borealis listens on 9443.")
    answer: str | None = "8443."
    consent: str | None = "train"
    region: str | None = "eu-west-1"
    confidentiality: str | None = "internal"
    user: str = "user-1"
    session: str = "session-1"
    feedback: int | None = 1
    extra: dict = field(default_factory=dict)


def _messages(*pairs):
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]} for role, text in pairs], ensure_ascii=False)


class SpanFiles:
    """An app and a model server that trace into two files of one folder, through the OpenTelemetry SDK."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._app = self._provider("agent-app", "9", folder / "app.jsonl")
        self._server = self._provider("agent-model", "2", folder / "server.jsonl")

    @staticmethod
    def _provider(service, version, path):
        provider = TracerProvider(resource=Resource({"service.name": service, "service.version": version}))
        provider.add_span_processor(SimpleSpanProcessor(FileSpanExporter(path=str(path))))
        return provider

    def send(self, request: Request) -> str:
        """Trace one request; the trace id."""
        app, server = self._app.get_tracer("app"), self._server.get_tracer("server")
        claims = {"ctp.consent": request.consent, "ctp.region": request.region, "ctp.confidentiality": request.confidentiality}
        attributes = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.input.messages": _messages(("user", request.question)),
            "user.id": request.user,
            "session.id": request.session,
        }
        root = app.start_span(
            "invoke_agent", attributes={**attributes, **{k: v for k, v in claims.items() if v is not None}, **request.extra}
        )
        context = otel.set_span_in_context(root)
        documents = json.dumps([{"id": str(i), "content": text} for i, text in enumerate(request.contexts)], ensure_ascii=False)
        app.start_span(
            "retrieve", context, attributes={"gen_ai.operation.name": "retrieval", "gen_ai.retrieval.documents": documents}
        ).end()
        prompt = "Context:\n" + "".join(f"- {text}\n" for text in request.contexts) + f"Question: {request.question}"
        chat = server.start_span(
            "chat agent-model",
            context,
            attributes={
                "gen_ai.operation.name": "chat",
                "gen_ai.request.model": "agent-model",
                "gen_ai.input.messages": _messages(("user", prompt)),
            },
        )
        if request.answer is not None:
            chat.set_attribute("gen_ai.output.messages", _messages(("assistant", request.answer)))
        chat.end()
        if request.feedback is not None:
            root.add_event(
                "gen_ai.evaluation.result", {"gen_ai.evaluation.name": "user_feedback", "gen_ai.evaluation.score.value": request.feedback}
            )
        root.end()
        return format(root.get_span_context().trace_id, "032x")

    def close(self) -> None:
        self._app.shutdown()
        self._server.shutdown()


def write_requests(folder, *requests):
    """Trace requests into a folder; their trace ids."""
    files = SpanFiles(folder)
    ids = [files.send(request) for request in requests]
    files.close()
    return ids


def run_both(source, workdir, config=None, run_id="r1"):
    """Ingest and govern a source; the result of the commit."""
    ctx = StepContext(config or PipelineConfig(), run_id, workdir)
    return govern(ctx, source)


def read_table(workdir, table, where=None, config=None):
    """Rows of a lake table."""
    with open_lake(config or PipelineConfig(), workdir) as lake:
        return lake.scan(table, where=where).to_pylist()


def holds(folder, text):
    """Files below a folder in which a text stands, Parquet columns decoded."""
    found = []
    for path in (path for path in Path(folder).rglob("*") if path.is_file()):
        raw = path.read_bytes()
        decoded = str(pq.read_table(path).to_pylist()) if path.suffix == ".parquet" else ""
        if text.encode() in raw or text in decoded or text in path.name:
            found.append(path)
    return found


@pytest.fixture(name="write_requests")
def _write_requests():
    return write_requests


@pytest.fixture(name="run_both")
def _run_both():
    return run_both


@pytest.fixture(name="read_table")
def _read_table():
    return read_table


@pytest.fixture(name="holds")
def _holds():
    return holds


@pytest.fixture(name="request_of")
def _request_of():
    return Request
