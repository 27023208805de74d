"""Opening of raw objects for reading: local files, S3 in blocks, and what PyArrow reaches.

Every stream can seek, so that a Parquet file is read where its columns lie. S3 is read by range under the listed ETag: a
block that fails is asked for again, and an object that was replaced meanwhile is refused, never mixed.
"""

from __future__ import annotations

import functools
import io
import os
import stat
from typing import BinaryIO, cast
from urllib.parse import urlsplit

from steps.contract.errors import AccessError, ConfigError, DataError, TransientError
from steps.store.objects import S3Objects
from steps.store.sources import local_path, remote

BLOCK_BYTES = 8 << 20


def split_object(uri: str) -> tuple[str, str]:
    """Bucket and key of an s3:// URI. A key may hold any character, so nothing is decoded.

    Raises:
        ConfigError: it names no bucket.
    """
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not bucket:
        raise ConfigError(f"{uri!r}: write s3://BUCKET/PREFIX")
    return bucket, key


@functools.cache
def bucket_of(name: str) -> S3Objects:
    """The client of a bucket, made once: making one costs more than a small object.

    Raises:
        ConfigError: boto3 is not installed, or no region is configured.
    """
    return S3Objects(name)


class _S3Reader(io.RawIOBase):
    """An S3 object of known size and ETag, read by range; the last block is kept."""

    def __init__(self, store: S3Objects, key: str, size: int, etag: str) -> None:
        self._store, self._key, self._size, self._etag = store, key, size, etag
        self._position = 0
        self._block, self._block_start = b"", 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move; nothing is read."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer: what is longer than a block goes past the kept block."""
        want = min(len(buffer), self._size - self._position)
        if want <= 0:
            return 0
        if want >= BLOCK_BYTES:
            part = self._store.read_range(self._key, self._position, want, self._etag)
        else:
            if not self._block_start <= self._position < self._block_start + len(self._block):
                self._block_start = self._position
                length = min(BLOCK_BYTES, self._size - self._position)
                self._block = self._store.read_range(self._key, self._position, length, self._etag)
            at = self._position - self._block_start
            part = self._block[at : at + want]
        buffer[: len(part)] = part
        self._position += len(part)
        return len(part)


class _Head(io.RawIOBase):
    """The first `size` bytes of a local file: what a live file gains after the listing is not read."""

    def __init__(self, descriptor: int, size: int) -> None:
        self._file = io.FileIO(descriptor, "rb")
        self._size = size

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Position."""
        return self._file.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move; the end is that of the listed bytes."""
        return self._file.seek(*((offset + self._size, io.SEEK_SET) if whence == io.SEEK_END else (offset, whence)))

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer from the listed bytes."""
        return self._file.readinto(memoryview(buffer)[: max(0, self._size - self._file.tell())]) or 0

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


def _open_local(path: str, uri: str, etag: str, size: int) -> io.RawIOBase:
    # A pipe put in the place of a listed file must not block.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    info = os.fstat(descriptor)
    if not stat.S_ISREG(info.st_mode) or info.st_size < size or f"{info.st_ino:x}" != etag.rpartition("-")[2]:
        os.close(descriptor)
        raise DataError(f"source file {uri}: not the file that was listed: run ingest again")
    return _Head(descriptor, size)


def open_object(uri: str, etag: str, size: int) -> BinaryIO:
    """Open a listed object; the stream is not buffered and can seek.

    Args:
        uri: as listed.
        etag: as listed.
        size: bytes as listed; no more are read.

    Raises:
        DataError: it is gone, or no longer what was listed.
        AccessError: it may not be read.
        TransientError: the object store does not answer.
    """
    path = local_path(uri)
    try:
        if path is not None:
            return cast(BinaryIO, _open_local(os.fspath(path), uri, etag, size))
        if urlsplit(uri).scheme == "s3":
            bucket, key = split_object(uri)
            return cast(BinaryIO, _S3Reader(bucket_of(bucket), key, size, etag))
        filesystem, remote_path = remote(uri)
        stream: BinaryIO = filesystem.open_input_file(remote_path)
        return stream
    except FileNotFoundError:
        raise DataError(f"source file {uri}: no longer there: run ingest again") from None
    except PermissionError:
        raise AccessError(f"source file {uri}: no permission to read it: grant read access") from None
    except OSError as error:
        if path is not None:
            raise DataError(f"source file {uri}: cannot be opened: {error.strerror}: look at the disk") from error
        raise TransientError(f"source file {uri}: the object store did not answer: {str(error).splitlines()[0]}") from error
