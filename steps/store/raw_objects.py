"""Files and objects of a source as a listing tells them, unopened: name, ETag, size and time.

(uri, etag, bytes) is the identity of an object: what was read once under it is never opened again to find that out.
Every object of any name is listed; hidden names are not, and what is no file inside the source is told apart.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import Field

from steps.contract.errors import AccessError, DataError, TransientError
from steps.contract.refs import Frozen
from steps.store.aws_errors import typed_error
from steps.store.export_windows import keep_windows, period_of
from steps.store.raw_streams import bucket_of, split_object
from steps.store.sources import local_path, remote

_WALK_DEPTH = 4
_WALK_FOLDERS = 100


class RawObject(Frozen):
    """One file or object of a source, as listed."""

    uri: str = Field(description="file:// with each odd byte percent-coded, or the store's own URI")
    etag: str = Field(description="changes with the content: S3's ETag, or time, size and inode of a local file")
    bytes: int = Field(description="how much there was to read; what a live file gained since comes under another ETag")
    last_modified: datetime = Field(description="UTC; of an object sent in parts, when that began")


class PassedOver(Frozen):
    """An entry that is not opened: `symlink-outside`, `symlink-broken` or `not-a-file` (a pipe, a device, a socket)."""

    uri: str
    reason: str


@dataclass
class Listing:
    """What one source holds, by URI."""

    objects: list[RawObject] = field(default_factory=list)
    passed_over: list[PassedOver] = field(default_factory=list)


def list_source(source: str, since: datetime | None = None) -> Listing:
    """List one source without opening anything.

    Args:
        source: a file, a folder, or a URI such as s3://bucket/prefix.
        since: leave out older objects. A folder that names its minute (`year=…/month=…/day=…/hour=…/minute=…`, UTC)
            counts by that, the files of a Langfuse window by the newest of them, anything else by its time.

    Raises:
        DataError: the source does not exist.
        AccessError: it may not be listed.
        TransientError: the object store does not answer.
    """
    path = local_path(source)
    if path is not None:
        listing = _list_local(path, source, since)
    elif source.startswith("s3://"):
        listing = _list_s3(source, since)
    elif source.startswith(("http://", "https://")):
        raise DataError(f"source {source}: a web address is no source: write langfuse://HOST/PROJECT for the API of Langfuse")
    else:
        listing = _list_filesystem(source)
    if since is not None:
        listing.objects = keep_windows(listing.objects, since)
    listing.objects.sort(key=lambda item: item.uri)
    listing.passed_over.sort(key=lambda item: item.uri)
    return listing


def local_etag(info: os.stat_result) -> str:
    """The ETag of a local file: nanoseconds of its change, size, inode."""
    return f"{info.st_mtime_ns:x}-{info.st_size:x}-{info.st_ino:x}"


def _local_object(path: Path, info: os.stat_result) -> RawObject:
    moment = datetime.fromtimestamp(min(max(info.st_mtime, 0), 2**35), UTC)
    return RawObject(uri=path.as_uri(), etag=local_etag(info), bytes=info.st_size, last_modified=moment)


def _list_local(path: Path, source: str, since: datetime | None) -> Listing:
    try:
        info = path.stat()
        root = path.resolve()
    except FileNotFoundError:
        raise DataError(f"source {source}: no such file or folder: correct the source that was named, or ingest.sources") from None
    except PermissionError:
        raise AccessError(f"source {source}: no permission to read it: grant read access") from None
    except (OSError, ValueError, RuntimeError) as error:
        raise DataError(f"source {source[:200]!r}: not a usable path: {error.__class__.__name__}") from error
    if stat.S_ISDIR(info.st_mode):
        return _list_folder(root, source, since)
    if stat.S_ISREG(info.st_mode):
        return Listing([_local_object(root, info)])
    return Listing(passed_over=[PassedOver(uri=root.as_uri(), reason="not-a-file")])


def _list_folder(root: Path, source: str, since: datetime | None) -> Listing:
    """Everything below a folder; symbolic links lead nowhere but to a file inside it."""

    def refuse(error: OSError) -> None:
        raise AccessError(f"source {source}: no permission to list {error.filename!r}: grant read access") from error

    listing = Listing()
    links: dict[Path, Path] = {}
    for folder, folders, names in os.walk(root, onerror=refuse):
        base = Path(folder)
        links |= {base / name: base / name for name in folders if not name.startswith(".") and (base / name).is_symlink()}
        folders[:] = sorted(name for name in folders if not name.startswith(".") and _is_open((base / name).as_posix() + "/", since))
        for name in names:
            path = base / name
            if name.startswith("."):
                continue
            try:
                info = path.lstat()
            except FileNotFoundError:
                continue
            if stat.S_ISLNK(info.st_mode):
                links[path] = path
            elif stat.S_ISREG(info.st_mode):
                listing.objects.append(_local_object(path, info))
            else:
                listing.passed_over.append(PassedOver(uri=path.as_uri(), reason="not-a-file"))
    known = {item.uri for item in listing.objects}
    for link in sorted(links):
        _follow(link, root, known, listing)
    return listing


def _follow(link: Path, root: Path, known: set[str], listing: Listing) -> None:
    """List the file that a link leads to, when it is inside the source and not listed under its own name."""
    try:
        target = link.resolve(strict=True)
        info = target.stat()
    except (OSError, RuntimeError):
        listing.passed_over.append(PassedOver(uri=link.as_uri(), reason="symlink-broken"))
        return
    if not target.is_relative_to(root):
        listing.passed_over.append(PassedOver(uri=link.as_uri(), reason="symlink-outside"))
    elif stat.S_ISREG(info.st_mode) and target.as_uri() not in known:
        known.add(target.as_uri())
        listing.objects.append(_local_object(target, info))


def _is_open(path: str, since: datetime | None) -> bool:
    """Whether a folder may hold objects at or after the watermark."""
    period = period_of(path) if since is not None else None
    return period is None or since is None or period[1] > since


def _list_s3(source: str, since: datetime | None) -> Listing:
    bucket, key = split_object(source)
    store = bucket_of(bucket)
    if key and not key.endswith("/"):
        exact = [entry for entry in store.entries(key, limit=1) if entry["Key"] == key]
        if exact:
            return Listing([_s3_object(bucket, exact[0])])
        key += "/"
    found = store.entries(key) if since is None else _walk_s3(store, key, since, 0)
    objects = [_s3_object(bucket, entry) for entry in found if not entry["Key"].endswith("/") and not _is_hidden(entry["Key"][len(key) :])]
    if not objects and key and since is None:
        raise DataError(f"source {source}: no such object or folder: correct the source that was named, or ingest.sources")
    return Listing(objects)


def _walk_s3(store: Any, prefix: str, since: datetime, depth: int) -> Iterator[dict[str, Any]]:
    """Entries of the folders that may hold something new: some calls for the open hours, none for past ones."""
    contents, folders = store.folder(prefix)
    yield from contents
    dated = [folder for folder in folders if period_of(folder)]
    others = [folder for folder in folders if not period_of(folder)]
    for folder in dated:
        if _is_open(folder, since):
            yield from store.entries(folder) if "/hour=" in folder else _walk_s3(store, folder, since, depth)
    is_deep = depth >= _WALK_DEPTH or len(others) > _WALK_FOLDERS
    for folder in others:
        yield from store.entries(folder) if is_deep else _walk_s3(store, folder, since, depth + 1)


def _is_hidden(path: str) -> bool:
    return any(part.startswith(".") for part in path.split("/"))


def _s3_object(bucket: str, entry: dict[str, Any]) -> RawObject:
    return RawObject(
        uri=f"s3://{bucket}/{entry['Key']}",
        etag=str(entry["ETag"]).strip('"'),
        bytes=entry["Size"],
        last_modified=entry["LastModified"].astimezone(UTC),
    )


def _list_filesystem(source: str) -> Listing:
    """List a store that PyArrow reaches and that tells no ETag: time and size stand for it."""
    from pyarrow.fs import FileSelector, FileType

    filesystem, root = remote(source)
    scheme = source.partition("://")[0]
    try:
        info = filesystem.get_file_info(root)
        if info.type == FileType.NotFound:
            raise DataError(f"source {source}: no such object or folder: correct the source that was named, or ingest.sources")
        items = [info] if info.type == FileType.File else filesystem.get_file_info(FileSelector(root, recursive=True))
    except OSError as error:
        known = typed_error(error, f"source {source}")
        raise known or TransientError(f"source {source}: the object store did not answer: {str(error).splitlines()[0]}") from error
    objects = [
        RawObject(
            uri=f"{scheme}://{item.path}",
            etag=f"{item.mtime_ns or 0:x}-{item.size:x}",
            bytes=item.size,
            last_modified=datetime.fromtimestamp((item.mtime_ns or 0) // 10**9, UTC),
        )
        for item in items
        if item.type == FileType.File and not _is_hidden(item.path[len(root) :])
    ]
    return Listing(objects)
