"""Finding and opening trace files, on disk or behind a URI."""

from __future__ import annotations

import gzip
import io
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import unquote, urlsplit

from steps.contract.errors import AccessError, DataError, TransientError

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

LANGFUSE_TABLES = ("observations_v2", "observations", "traces", "scores")


class BoundedReader(io.RawIOBase):
    """The first `limit` bytes of a stream: a file that a collector still writes to grows after it was listed."""

    def __init__(self, stream: BinaryIO, limit: int) -> None:
        self._stream = stream
        self._left = limit

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer from the listed bytes."""
        block = self._stream.read(min(len(buffer), self._left))
        self._left -= len(block)
        buffer[: len(block)] = block
        return len(block)

    def close(self) -> None:
        """Close the stream below, too."""
        self._stream.close()
        super().close()


def _remote(uri: str) -> tuple[FileSystem, str]:
    """The file system and path behind a URI such as s3://bucket/prefix."""
    import pyarrow as pa
    from pyarrow.fs import FileSystem

    try:
        filesystem, path = FileSystem.from_uri(uri)
        return filesystem, str(path)
    except (pa.ArrowInvalid, ValueError) as error:
        raise DataError(f"source {uri}: not a path or a URI that can be read: {str(error).splitlines()[0]}") from error


def local_path(uri: str) -> Path | None:
    """The path of a local source, or None for one behind another scheme."""
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
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
        filesystem, remote_path = _remote(uri)
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
