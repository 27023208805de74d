"""The place of raw objects: a local folder or a prefix of an S3 bucket. A write is whole or absent."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from steps.contract.errors import ConfigError
from steps.contract.files import write_atomic
from steps.store.objects import S3Objects, split_s3
from steps.store.sources import local_path


class RawObjects(Protocol):
    """Objects by relative name."""

    def read(self, name: str) -> bytes | None:
        """The content; None when there is none."""

    def write(self, name: str, content: bytes) -> None:
        """Replace the object by the content."""

    def delete(self, name: str) -> None:
        """Delete the object; one that is gone is passed over."""

    def has_any(self, folder: str) -> bool:
        """Whether any object stands below a folder."""

    def uri(self, name: str) -> str:
        """Where the object is, as a source that ingest reads."""


class LocalObjects:
    """Files below a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    def read(self, name: str) -> bytes | None:
        """The content; None when there is none."""
        try:
            return (self._root / name).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, name: str, content: bytes) -> None:
        """Replace the file by the content."""
        write_atomic(self._root / name, content)

    def delete(self, name: str) -> None:
        """Delete the file; one that is gone is passed over."""
        (self._root / name).unlink(missing_ok=True)

    def has_any(self, folder: str) -> bool:
        """Whether the folder exists."""
        return (self._root / folder).is_dir()

    def uri(self, name: str) -> str:
        """The path as a file URI."""
        return (self._root / name).as_uri()


class PrefixObjects:
    """Objects below a prefix of a bucket."""

    def __init__(self, uri: str) -> None:
        bucket, self._prefix = split_s3(uri)
        self._bucket = S3Objects(bucket)

    def read(self, name: str) -> bytes | None:
        """The content; None when there is none."""
        return self._bucket.read(self._key(name))

    def write(self, name: str, content: bytes) -> None:
        """Put the object."""
        self._bucket.write(self._key(name), content)

    def delete(self, name: str) -> None:
        """Delete the object; one that is gone is passed over."""
        self._bucket.delete([self._key(name)])

    def has_any(self, folder: str) -> bool:
        """Whether any object stands below a folder."""
        return self._bucket.has_any(f"{self._key(folder)}/")

    def uri(self, name: str) -> str:
        """The object's S3 URI."""
        return f"s3://{self._bucket.bucket}/{self._key(name)}"

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name


def open_raw(uri: str) -> RawObjects:
    """The objects below a folder, a `file:` URI or `s3://bucket/prefix`.

    Raises:
        ConfigError: it is none of them.
    """
    path = local_path(uri)
    if path is not None:
        return LocalObjects(path)
    if uri.startswith("s3://"):
        return PrefixObjects(uri)
    raise ConfigError(f"raw objects at {uri}: write a folder or s3://BUCKET/PREFIX")
