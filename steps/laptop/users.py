"""The simulated users at work: HTTP requests through the gateway, spans through OpenTelemetry.

Each request is one trace: the app's `invoke_agent` span, its `retrieve` span and the
model server's `chat` span. Trace ids are derived from the plan, so a request sent again
after a crash is the same trace, and ingest keeps one of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from steps.cluster.telemetry import make_tracer_provider
from steps.laptop.world.domain import render_prompt

if TYPE_CHECKING:
    import aiohttp
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.trace import Span

    from steps.laptop.people import Ask

_trace_id: ContextVar[int] = ContextVar("trace_id", default=0)


def trace_id_of(world_seed: int, run_id: str, phase: str, index: int) -> str:
    """The W3C trace id (32 hex digits) of one planned request."""
    return hashlib.sha256(f"{world_seed}/{run_id}/{phase}/{index}".encode()).hexdigest()[:32]


@dataclass
class Tally:
    """What the users saw. `errors` counts failed answers to well-formed requests."""

    sent: int = 0
    answered: int = 0
    errors: int = 0
    refused_as_broken: int = 0
    by_version: dict[str, int] = field(default_factory=dict)
    latencies_ms: list[float] = field(default_factory=list)


class Users:
    """A crowd that asks through one gateway URL and writes its own spans.

    Args:
        gateway_url: root URL of the gateway.
        model: served model name.
        spans_dir: folder of the app's span files.
        run_id: part of every trace id, with `phase` and the world's seed.
        max_tokens: longest answer, in tokens.
    """

    def __init__(
        self, gateway_url: str, *, model: str, spans_dir: Path, world_seed: int, run_id: str, phase: str, max_tokens: int = 32
    ) -> None:
        self.url = f"{gateway_url}/v1/chat/completions"
        self.model, self.spans_dir, self.max_tokens = model, spans_dir, max_tokens
        self.world_seed, self.run_id, self.phase = world_seed, run_id, phase
        self.tally = Tally()
        self.turns: dict[int, tuple[str, str]] = {}

    def trace_id(self, ask: Ask) -> str:
        """The trace id this ask has, now and after any restart."""
        return trace_id_of(self.world_seed, self.run_id, self.phase, ask.index)

    async def run(
        self,
        asks: Iterable[Ask],
        *,
        concurrency: int,
        on_answer: Callable[[], None],
        stop: asyncio.Event | None = None,
        pause_s: float = 0.0,
    ) -> Tally:
        """Ask everything in order with at most `concurrency` people waiting; `stop` ends early, answers in flight are awaited.

        Everybody thinks for `pause_s` before the next question.
        """
        import aiohttp

        pending: Iterator[Ask] = iter(asks)
        with self._provider() as provider:
            connector = aiohttp.TCPConnector(limit=0)
            async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60)) as session:

                async def person() -> None:
                    for ask in pending:
                        await self._ask(session, provider, ask)
                        on_answer()
                        if stop is not None and stop.is_set():
                            return
                        if pause_s:
                            await asyncio.sleep(pause_s)

                await asyncio.gather(*(person() for _ in range(concurrency)))
        return self.tally

    @contextlib.contextmanager
    def _provider(self) -> Iterator[TracerProvider]:
        from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

        class PlannedIds(RandomIdGenerator):
            def generate_trace_id(self) -> int:
                return _trace_id.get() or super().generate_trace_id()

        provider = make_tracer_provider("agent-app", "1", self.spans_dir, id_generator=PlannedIds())
        try:
            yield provider
        finally:
            provider.shutdown()

    async def _ask(self, session: aiohttp.ClientSession, provider: TracerProvider, ask: Ask) -> None:
        from opentelemetry import trace

        token = _trace_id.set(int(self.trace_id(ask), 16))
        tracer = provider.get_tracer("ctp.local.users")
        root = tracer.start_span("invoke_agent", kind=trace.SpanKind.INTERNAL, attributes=_root_attributes(ask))
        _trace_id.reset(token)
        context = trace.set_span_in_context(root)
        documents = [{"id": str(number), "content": text} for number, text in enumerate(ask.item.contexts)]
        retrieve = tracer.start_span(
            "retrieve",
            context=context,
            attributes={"gen_ai.operation.name": "retrieval", "gen_ai.retrieval.documents": json.dumps(documents, ensure_ascii=False)},
        )
        retrieve.end()
        answer = await self._post(session, ask, root)
        if answer:
            self.turns[ask.index] = (self._messages(ask)[-1]["content"], answer)
        if ask.thumb and answer:
            _thumb(root, ask, answer)
        root.end()
        if ask.delivered_twice:
            _deliver_again(provider, (retrieve, root))

    async def _post(self, session: aiohttp.ClientSession, ask: Ask, root: Span) -> str:
        """Send the request; the answer's text, or nothing when there is none."""
        from aiohttp import ClientError
        from opentelemetry.trace import Status, StatusCode

        span = root.get_span_context()
        headers = {
            "content-type": "application/json",
            "traceparent": f"00-{span.trace_id:032x}-{span.span_id:016x}-01",
            "baggage": _baggage(ask),
        }
        self.tally.sent += 1
        began = time.perf_counter()
        try:
            async with session.post(self.url, data=self._body(ask), headers=headers) as response:
                document = await response.json(content_type=None)
                status, version = response.status, response.headers.get("x-model-version", "")
        except (ClientError, TimeoutError, ValueError) as error:
            status, version, document = 0, "", {"error": {"message": type(error).__name__}}
        if status == 200:
            self.tally.answered += 1
            self.tally.by_version[version] = self.tally.by_version.get(version, 0) + 1
            self.tally.latencies_ms.append((time.perf_counter() - began) * 1000)
            return str(document["choices"][0]["message"]["content"])
        if ask.broken:
            self.tally.refused_as_broken += 1
        else:
            self.tally.errors += 1
        root.set_status(Status(StatusCode.ERROR, f"HTTP {status}"))
        return ""

    def _body(self, ask: Ask) -> bytes:
        messages = self._messages(ask)
        if ask.broken == "not-json":
            return b'{"model": "agent-model", "messages": ['
        seed = int(self.trace_id(ask)[:7], 16)
        body: dict[str, Any] = {"model": self.model, "messages": messages, "max_tokens": self.max_tokens, "seed": seed}
        if ask.broken == "no-messages":
            body["messages"] = []
        if ask.broken == "wrong-model":
            body["model"] = "no-such-model"
        return json.dumps(body, ensure_ascii=False).encode()

    def _messages(self, ask: Ask) -> list[dict[str, str]]:
        """The prompt the agent builds: this turn, below the turn before if there was an answer."""
        turn = {"role": "user", "content": render_prompt(ask.question, ask.item.contexts)}
        previous = self.turns.get(ask.follows) if ask.follows is not None else None
        if previous is None:
            return [turn]
        question, answer = previous
        return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}, turn]


def _root_attributes(ask: Ask) -> dict[str, str]:
    question = [{"role": "user", "parts": [{"type": "text", "content": ask.question}]}]
    attributes = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.input.messages": json.dumps(question, ensure_ascii=False),
        "user.id": ask.person.user_id,
        "session.id": ask.session,
        "ctp.region": ask.person.region,
        "ctp.confidentiality": ask.person.confidentiality,
    }
    return attributes | ({"ctp.consent": ask.person.consent} if ask.person.consent else {})


def _baggage(ask: Ask) -> str:
    """W3C baggage: the tags that the edge hands to every service of the request."""
    person = ask.person
    tags = {
        "consent": person.consent,
        "region": person.region,
        "confidentiality": person.confidentiality,
        "user.id": person.user_id,
        "session.id": ask.session,
    }
    return ",".join(f"{key}={quote(value)}" for key, value in tags.items() if value)


def _thumb(root: Span, ask: Ask, answer: str) -> None:
    """Thumbs up when the answer restates the value the user knows, down otherwise."""
    value = 1.0 if ask.item.value.lower() in answer.lower() else 0.0
    root.add_event("gen_ai.evaluation.result", {"gen_ai.evaluation.name": "user_feedback", "gen_ai.evaluation.score.value": value})


def _deliver_again(provider: TracerProvider, spans: tuple[Span, ...]) -> None:
    """At-least-once delivery: hand the same finished spans to the exporter once more."""
    for span in spans:
        finished: ReadableSpan = span._readable_span()  # type: ignore[attr-defined]
        provider._active_span_processor.on_end(finished)


def recorded_traces(spans_dir: Path) -> set[str]:
    """Trace ids whose `invoke_agent` span is already on disk: these requests were answered before a crash."""
    trace_ids: set[str] = set()
    for path in sorted(spans_dir.glob("agent-app-*.jsonl")):
        with path.open("rb") as file:
            for line in file:
                if b'"invoke_agent"' in line and line.endswith(b"\n"):
                    trace_ids.update(_root_ids(line))
    return trace_ids


def _root_ids(line: bytes) -> Iterator[str]:
    for resource in json.loads(line).get("resourceSpans", []):
        for scope in resource.get("scopeSpans", []):
            for span in scope.get("spans", []):
                if span.get("name") == "invoke_agent":
                    yield span["traceId"]
