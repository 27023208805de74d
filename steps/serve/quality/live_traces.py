"""Span files as they grow, and the traces that become whole in them.

Reading is incremental: only whole lines count, so the torn end of a file that is being
written (or whose writer was killed) is read once it is whole, or never.
"""

from __future__ import annotations

import collections
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from steps.chat.assemble import assemble
from steps.chat.otlp import spans_of
from steps.chat.span import Span
from steps.chat.trace import Trace
from steps.cluster.telemetry import whole_bytes

READ_BYTES = 8 << 20
MAX_LINE_BYTES = 64 << 20
MAX_OPEN_TRACES = 20_000
MAX_KNOWN_TRACES = 200_000
# The collector's k8sattributes processor writes the second one.
HASH_KEYS = ("ctp.pod_template_hash", "k8s.pod.label.rollouts-pod-template-hash", "k8s.pod.labels.rollouts-pod-template-hash")


class SpanTail:
    """Reads what was appended to `*.jsonl` files since the last look.

    Args:
        places: folders (searched without subfolders) or single files.
        replay: read what was there at the start, too; else only what comes after.
    """

    def __init__(self, places: Sequence[Path], *, replay: bool = False) -> None:
        self._places = tuple(places)
        self._offsets: dict[Path, int] = {}
        self.unreadable = 0
        if not replay:
            self._offsets = {path: _whole_size(path) for path in self._files()}

    def poll(self) -> list[Span]:
        """New spans, at most about 8 MiB of each file at a time."""
        spans: list[Span] = []
        for path in self._files():
            try:
                spans.extend(self._read(path))
            except FileNotFoundError:
                self._offsets.pop(path, None)
        return spans

    def _files(self) -> list[Path]:
        paths: list[Path] = []
        for place in self._places:
            paths.extend(sorted(place.glob("*.jsonl")) if place.is_dir() else [place] if place.is_file() else [])
        return paths

    def _read(self, path: Path) -> Iterable[Span]:
        offset = self._offsets.get(path, 0)
        size = path.stat().st_size
        if size < offset:  # rotated: a new file of the same name
            offset = 0
        if size == offset:
            self._offsets[path] = offset
            return []
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(READ_BYTES)
            if b"\n" not in data and len(data) == READ_BYTES:
                data += file.read(MAX_LINE_BYTES)
        whole = data.rfind(b"\n") + 1
        if not whole and len(data) > MAX_LINE_BYTES:
            self.unreadable += 1
            whole = len(data)
        self._offsets[path] = offset + whole
        return self._spans(data[:whole], str(path))

    def _spans(self, data: bytes, uri: str) -> Iterable[Span]:
        for line in data.split(b"\n"):
            try:
                document = orjson.loads(line) if line.strip() else {}
            except orjson.JSONDecodeError:
                self.unreadable += 1
                continue
            if not isinstance(document, dict) or not document:
                self.unreadable += bool(line.strip())
                continue
            for record in spans_of(document, uri, 0, lambda _: True):
                if isinstance(record, Span):
                    yield record
                else:
                    self.unreadable += 1


def _whole_size(path: Path) -> int:
    with path.open("rb") as file:
        return whole_bytes(file)


@dataclass(frozen=True, slots=True)
class LiveTrace:
    """A whole trace, and the pods that answered it.

    Attributes:
        trace: as the pipeline's gates and the judge read it.
        pod_template_hash: label `rollouts-pod-template-hash` of the model server's pod; "" when no span says it.
    """

    trace: Trace
    pod_template_hash: str = ""


def pod_template_hash(spans: Sequence[Span]) -> str:
    """The hash that the model server's resource attributes name.

    An app may run under a Rollout as well, so its own counts only when it is the only service there is.
    """
    services = {str(span.resource.get("service.name")) for span in spans if not span.parent_id}
    named = [(span, next((str(span.resource[key]) for key in HASH_KEYS if span.resource.get(key)), "")) for span in spans]
    theirs = [hash_ for span, hash_ in named if hash_ and str(span.resource.get("service.name")) not in services]
    if theirs:
        return theirs[0]
    alone = {str(span.resource.get("service.name")) for span in spans} <= services
    return next((hash_ for _, hash_ in named if hash_), "") if alone else ""


@dataclass(slots=True)
class _Open:
    spans: list[Span] = field(default_factory=list)
    rooted: bool = False
    newest: float = 0.0


class LiveTraces:
    """Collects spans by trace id and hands out each trace once, when it is whole.

    A trace is whole when its root span has come and no span came for `quiet_s`; without
    a root in these files, after `wait_s`. Spans that come later are dropped.

    Args:
        quiet_s: seconds to wait for more spans after the root.
        wait_s: seconds to wait for a root.
        clock: monotonic seconds.
    """

    def __init__(self, *, quiet_s: float = 0.3, wait_s: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._quiet_s, self._wait_s, self._clock = quiet_s, wait_s, clock
        self._open: dict[str, _Open] = {}
        self._known: collections.OrderedDict[str, None] = collections.OrderedDict()

    def add(self, spans: Iterable[Span]) -> None:
        """Take spans of any traces in any order."""
        now = self._clock()
        for span in spans:
            if span.trace_id in self._known:
                continue
            entry = self._open.setdefault(span.trace_id, _Open())
            entry.spans.append(span)
            entry.rooted = entry.rooted or not span.parent_id
            entry.newest = now

    @property
    def full(self) -> bool:
        """Whether more traces wait for their end than are kept."""
        return len(self._open) >= MAX_OPEN_TRACES

    def whole(self) -> list[LiveTrace | str]:
        """Traces that became whole, or the reason why one cannot be assembled."""
        now = self._clock()
        over = len(self._open) - MAX_OPEN_TRACES
        done = [
            trace_id
            for number, (trace_id, entry) in enumerate(self._open.items())
            if number < over or now - entry.newest >= (self._quiet_s if entry.rooted else self._wait_s)
        ]
        return [self._close(trace_id) for trace_id in done]

    def _close(self, trace_id: str) -> LiveTrace | str:
        entry = self._open.pop(trace_id)
        self._known[trace_id] = None
        while len(self._known) > MAX_KNOWN_TRACES:
            self._known.popitem(last=False)
        trace = assemble(entry.spans)
        return trace if isinstance(trace, str) else LiveTrace(trace, pod_template_hash(entry.spans))
