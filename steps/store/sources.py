"""Finding and opening trace files, on disk or behind a URI."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import unquote_to_bytes, urlsplit

from steps.contract.errors import AccessError, DataError, TransientError
from steps.store.aws_errors import typed_error
from steps.store.units import FoundFile, SourceFile

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

TRACE_FILE = re.compile(r"\.(jsonl|json|ndjson|binpb)(\.gz)?$|\.parquet$", re.IGNORECASE)
LANGFUSE_TABLES = ("observations_v2", "observations", "traces", "scores")
_HEAD_BYTES = 1 << 16


class PlannedReader(io.RawIOBase):
    """The first `limit` bytes of a stream, hashed as they pass.

    A file that a collector still writes to grows after planning; what was not planned is not read.
    """

    def __init__(self, stream: BinaryIO, limit: int) -> None:
        self._stream = stream
        self._left = limit
        self._digest = hashlib.sha256()

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer from the planned bytes."""
        block = self._stream.read(min(len(buffer), self._left))
        self._left -= len(block)
        self._digest.update(block)
        buffer[: len(block)] = block
        return len(block)

    def close(self) -> None:
        """Close the stream below, too."""
        self._stream.close()
        super().close()

    def rest_digest(self) -> str:
        """Read what is left and return the SHA-256 of all planned bytes."""
        while self._left:
            block = self._stream.read(min(1 << 20, self._left))
            if not block:
                break
            self._left -= len(block)
            self._digest.update(block)
        return self._digest.hexdigest()


def remote(uri: str) -> tuple[FileSystem, str]:
    """The file system and path behind a URI such as s3://bucket/prefix.

    Raises:
        DataError: no such scheme, or no such form.
    """
    import pyarrow as pa
    from pyarrow.fs import FileSystem

    try:
        filesystem, path = FileSystem.from_uri(uri)
        return filesystem, str(path)
    except (pa.ArrowInvalid, ValueError) as error:
        raise DataError(f"source {uri}: not a path or a URI that can be read: {str(error).splitlines()[0]}") from error


def local_path(uri: str) -> Path | None:
    """The path of a local source, or None for one behind another scheme."""
    if uri.startswith("file:"):
        return Path(os.fsdecode(unquote_to_bytes(urlsplit(uri).path)))
    return None if re.match(r"[a-z][a-z0-9+.-]+://", uri) else Path(uri)


def open_source(uri: str) -> BinaryIO:
    """Open a planned file for reading.

    Raises:
        DataError: it is gone.
        AccessError: it may not be read.
        TransientError: the object store does not answer.
    """
    path = local_path(uri)
    try:
        if path is not None:
            return path.open("rb")
        filesystem, remote_path = remote(uri)
        stream: BinaryIO = filesystem.open_input_stream(remote_path, compression=None)
        return stream
    except FileNotFoundError:
        raise DataError(f"source file {uri}: no longer there: run ingest again to plan anew") from None
    except PermissionError:
        raise AccessError(f"source file {uri}: no permission to read it: grant read access") from None
    except OSError as error:
        if path is not None:
            raise
        raise TransientError(f"source file {uri}: the object store did not answer: {str(error).splitlines()[0]}") from error


def unpacked(uri: str, stream: BinaryIO) -> BinaryIO:
    """The stream, decompressed when the name says gzip."""
    return io.BufferedReader(gzip.GzipFile(fileobj=stream), 1 << 20) if uri.lower().endswith(".gz") else stream


def _walk(root: Path, source: str) -> list[Path]:
    """Trace files below a folder, in name order.

    Raises:
        AccessError: a folder may not be listed.
    """

    def refuse(error: OSError) -> None:
        raise AccessError(f"source {source}: no permission to list {error.filename}: grant read access") from error

    found = [Path(folder) / name for folder, _, names in os.walk(root, onerror=refuse) for name in names if not name.startswith(".")]
    return sorted(path for path in found if TRACE_FILE.search(path.name) and path.is_file())


def list_source(source: str) -> list[str]:
    """The files of one source: itself, or the trace files below a folder.

    Raises:
        DataError: the source does not exist.
        AccessError: it may not be read.
    """
    path = local_path(source)
    if path is None:
        return _list_remote(source)
    try:
        if path.is_dir():
            return [found.resolve().as_uri() for found in _walk(path, source)]
        path.stat()
    except FileNotFoundError:
        raise DataError(f"source {source}: no such file or folder: correct --sources or ingest.sources") from None
    except PermissionError:
        raise AccessError(f"source {source}: no permission to read it: grant read access") from None
    except (OSError, ValueError) as error:
        raise DataError(f"source {source[:200]!r}: not a usable path: {error.__class__.__name__}") from error
    return [path.resolve().as_uri()]


def _list_remote(source: str) -> list[str]:
    from pyarrow.fs import FileSelector, FileType

    filesystem, root = remote(source)
    scheme = urlsplit(source).scheme
    try:
        info = filesystem.get_file_info(root)
        if info.type == FileType.NotFound:
            raise DataError(f"source {source}: no such object or folder: correct --sources or ingest.sources")
        if info.type == FileType.File:
            return [source]
        items = filesystem.get_file_info(FileSelector(root, recursive=True))
    except OSError as error:
        known = typed_error(error, f"source {source}")
        raise known or TransientError(f"source {source}: the object store did not answer: {str(error).splitlines()[0]}") from error
    return sorted(f"{scheme}://{item.path}" for item in items if item.type == FileType.File and TRACE_FILE.search(item.path))


def complete_exports(uris: Iterable[str]) -> tuple[list[str], int]:
    """Leave out Langfuse export manifests and files whose window has no manifest yet.

    Langfuse writes `<project>/manifests/<stamp>.json` last; without it the window's files may be partial.

    Returns:
        (files to read, how many were left out as incomplete)
    """
    uris = list(uris)
    manifests = {(str(p.parent.parent), p.stem) for p in map(PurePosixPath, uris) if p.parent.name == "manifests" and p.suffix == ".json"}
    projects = {project for project, _ in manifests}
    kept, left_out = [], 0
    for uri in uris:
        path = PurePosixPath(uri)
        project = str(path.parent.parent)
        if (project, path.stem) in manifests and path.parent.name == "manifests":
            continue
        if path.parent.name in LANGFUSE_TABLES and project in projects and (project, path.name.split(".")[0]) not in manifests:
            left_out += 1
            continue
        kept.append(uri)
    return kept, left_out


def _format(uri: str, head: bytes) -> str:
    """What the first bytes look like: otlp, langfuse, other (metrics or logs) or unknown."""
    if re.search(r"\.binpb(\.gz)?$", uri, re.IGNORECASE):
        return "otlp"
    if head.startswith(b"PAR1"):
        return "langfuse"
    if re.search(rb'"resource_?[sS]pans"', head):
        return "otlp"
    if re.match(rb'\s*\{\s*"resource(Metrics|Logs)"', head):
        return "other"
    return "langfuse" if re.search(rb'"(trace_?[iI]d|traceName|trace_name)"', head) else "unknown"


def _group(uri: str) -> str:
    """What a file may share traces with: its folder, or the window of a Langfuse export."""
    path = PurePosixPath(uri)
    if path.parent.name in LANGFUSE_TABLES:
        return f"{path.parent.parent}/{path.name.split('.')[0]}"
    return str(path.parent)


def inspect_file(uri: str) -> FoundFile:
    """Digest a file as it is now and look at its first bytes.

    Raises:
        DataError: it vanished.
        AccessError: it may not be read.
    """
    head = b""
    digest, size = hashlib.sha256(), 0
    with open_source(uri) as stream:
        while block := stream.read(1 << 20):
            head = head or block[:_HEAD_BYTES]
            digest.update(block)
            size += len(block)
    if uri.lower().endswith(".gz"):
        try:
            head = gzip.GzipFile(fileobj=io.BytesIO(head)).read1(_HEAD_BYTES)
        except (OSError, EOFError, zlib.error):
            head = b""
    return FoundFile(file=SourceFile(uri=uri, sha256=digest.hexdigest(), bytes=size), format=_format(uri, head), group=_group(uri))
