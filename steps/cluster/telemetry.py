"""OpenTelemetry for every process of the loop: where spans go, and that they survive a kill.

Spans are written as OTLP JSON, one line an export and in one write, before the code
that ended the span goes on. A process that is killed can therefore leave at most one
torn line, at the end of its own file; the next start of the same service cuts it off.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from steps.contract.errors import ConfigError, TransientError

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.sdk.trace.id_generator import IdGenerator

COLLECTOR_VARIABLE = "OTEL_EXPORTER_OTLP_ENDPOINT"
_BLOCK_BYTES = 1 << 16


class WholeLines:
    """An append-only text stream whose file never keeps a part of a line.

    A write that fails halfway (a full disk) is taken back, so the next line starts
    clean. The file is locked for as long as it is open: a locked file is one whose
    writer lives.
    """

    def __init__(self, path: Path) -> None:
        """Create `path`, which must not exist.

        Raises:
            OSError: the folder is missing or not writable.
        """
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o640)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._size = 0
        self.closed = False

    def write(self, text: str) -> int:
        """Append `text`, wholly or not at all.

        Raises:
            OSError: the disk is full or gone; the file is as before.
        """
        data = text.encode("utf-8", "replace")
        written = 0
        try:
            while written < len(data):
                written += os.write(self._descriptor, data[written:])
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._size)
            raise
        self._size += len(data)
        return len(text)

    def flush(self) -> None:
        """Nothing is buffered."""

    def close(self) -> None:
        """Close and unlock; a second call does nothing."""
        if not self.closed:
            self.closed = True
            os.close(self._descriptor)


def _file_stem(service_name: str) -> str:
    """The service name as the first part of a file name."""
    return re.sub(r"[^\w.-]", "_", service_name)


def whole_bytes(file: BinaryIO) -> int:
    """Size of a file up to and including its last newline."""
    keep = file.seek(0, os.SEEK_END)
    while keep > 0:
        start = max(0, keep - _BLOCK_BYTES)
        file.seek(start)
        newline = file.read(keep - start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        keep = start
    return 0


def cut_torn_line(path: Path) -> int:
    """Remove what follows the last newline of `path`, unless its writer still lives.

    Returns:
        Bytes removed.
    """
    with path.open("rb+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return 0
        keep = whole_bytes(file)
        torn = file.seek(0, os.SEEK_END) - keep
        if torn:
            file.truncate(keep)
        return torn


def _open_span_file(service_name: str, spans_dir: Path) -> WholeLines:
    """Repair what killed runs of the same service left, then open a new file."""
    stem = _file_stem(service_name)
    mine = re.compile(rf"{re.escape(stem)}-\d+-\d+\.jsonl")
    try:
        spans_dir.mkdir(parents=True, exist_ok=True)
        for path in sorted(spans_dir.glob("*.jsonl")):
            if mine.fullmatch(path.name):
                cut_torn_line(path)
        return WholeLines(spans_dir / f"{stem}-{time.time_ns()}-{os.getpid()}.jsonl")
    except PermissionError as error:
        raise ConfigError(
            f"{spans_dir}: span files cannot be written there ({error.strerror}): give --spans-dir a writable folder"
        ) from error
    except OSError as error:
        raise TransientError(f"{spans_dir}: span file cannot be opened: {error.strerror}") from error


def _file_exporter(service_name: str, spans_dir: Path) -> SpanExporter:
    from opentelemetry.exporter.otlp.json.file import FileSpanExporter

    stream = _open_span_file(service_name, spans_dir)

    class OwnedFileExporter(FileSpanExporter):
        """The OTLP JSON exporter that also closes (and so unlocks) its file."""

        def shutdown(self, timeout_millis: float = 30_000, **kwargs: object) -> None:
            super().shutdown()
            stream.close()

    exporter: SpanExporter = OwnedFileExporter(stream=cast(IO[str], stream))
    return exporter


def make_tracer_provider(
    service_name: str,
    service_version: str = "",
    spans_dir: Path | None = None,
    *,
    attributes: Mapping[str, str] | None = None,
    id_generator: IdGenerator | None = None,
) -> TracerProvider:
    """The tracer provider of one process.

    With `OTEL_EXPORTER_OTLP_ENDPOINT` set, spans go to that collector in batches;
    otherwise each finished span is appended to
    `spans_dir/<service>-<start ns>-<pid>.jsonl` before `Span.end()` returns. Without
    either nothing is exported. Every span is recorded whatever the caller sampled:
    an answer without a trace cannot be judged.

    Args:
        service_name: resource attribute `service.name` and first part of the file name.
        service_version: resource attribute `service.version`; empty: left out.
        spans_dir: folder of span files, created when missing.
        attributes: further resource attributes.
        id_generator: source of trace and span ids; default: random.

    Raises:
        ConfigError: `spans_dir` is not writable.
        TransientError: the file cannot be opened for another reason.
    """
    from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON

    described = {SERVICE_NAME: service_name} | ({SERVICE_VERSION: service_version} if service_version else {})
    resource = Resource.create(described | dict(attributes or {}))
    provider = TracerProvider(sampler=ALWAYS_ON, resource=resource, id_generator=id_generator)
    if os.environ.get(COLLECTOR_VARIABLE):
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    elif spans_dir is not None:
        provider.add_span_processor(SimpleSpanProcessor(_file_exporter(service_name, spans_dir)))
    return provider


def caller_context(headers: Mapping[str, str]) -> Context:
    """The caller's span and baggage from W3C `traceparent` and `baggage` headers.

    Malformed headers give an empty context: telemetry never refuses a request.

    Source:
        https://www.w3.org/TR/trace-context/ and https://www.w3.org/TR/baggage/
    """
    from opentelemetry.baggage.propagation import W3CBaggagePropagator
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier = {key.lower(): value for key, value in headers.items()}
    context = TraceContextTextMapPropagator().extract(carrier, context=Context())
    return W3CBaggagePropagator().extract(carrier, context=context)
