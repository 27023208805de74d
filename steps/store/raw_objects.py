"""Raw objects of a source as its listing tells them: name, version and size, without opening one."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field

from steps.contract.errors import AccessError, DataError
from steps.contract.refs import Frozen
from steps.store.aws_errors import aws_errors
from steps.store.objects import S3Objects, split_s3
from steps.store.sources import local_path

# Collectors write into a folder a minute; a name that holds its minute needs no look at the object's own time.
_MINUTE = re.compile(r"year=(\d{4})/month=(\d{1,2})/day=(\d{1,2})(?:/hour=(\d{1,2}))?(?:/minute=(\d{1,2}))?")


class RawObject(Frozen):
    """One version of one object."""

    uri: str = Field(description="where it is")
    etag: str = Field(description="its version: the store's ETag, or time of change, size and inode of a local file")
    bytes: int = Field(description="its size; a file that grows later is read no further")
    modified: datetime = Field(description="when it was written last, UTC")


def list_objects(source: str, since: datetime | None = None) -> Iterator[RawObject]:
    """Yield the objects of a source: itself, or everything below a folder or prefix, hidden files excepted.

    Args:
        source: path, or URI with file: or s3: (any S3-compatible endpoint).
        since: objects of an object store that were written before it are left out; None: none is.

    Raises:
        DataError: the source does not exist, or its scheme is unknown.
        AccessError: it may not be listed.
        TransientError: the object store does not answer.
    """
    path = local_path(source)
    if path is not None:
        # A copied file keeps its old time, and a folder is listed at no cost: all of it is, whatever `since`.
        yield from _local(path, source)
    elif urlsplit(source).scheme == "s3":
        yield from (item for item in _remote(source, since) if since is None or item.modified >= since)
    else:
        raise DataError(f"source {source}: not a path, file: or s3: URI, nor langfuse://HOST/PROJECT")


def folder_minute(uri: str) -> datetime | None:
    """The minute that a collector's folder names, UTC; None when the path names none that exists."""
    match = _MINUTE.search(uri)
    if match is None:
        return None
    try:
        return datetime(*(int(part) for part in match.groups() if part is not None), tzinfo=UTC)  # type: ignore[misc,arg-type]
    except ValueError:
        return None


def _local(path: Path, source: str) -> Iterator[RawObject]:
    try:
        info = path.stat()
    except FileNotFoundError:
        raise DataError(f"source {source}: no such file or folder: correct --sources or ingest.sources") from None
    except PermissionError:
        raise AccessError(f"source {source}: no permission to read it: grant read access") from None
    except (OSError, ValueError) as error:
        raise DataError(f"source {source[:200]!r}: not a usable path: {error.__class__.__name__}") from error
    if not stat.S_ISDIR(info.st_mode):
        yield _local_object(path.resolve(), info)
        return

    def refuse(error: OSError) -> None:
        raise AccessError(f"source {source}: no permission to list {error.filename}: grant read access") from error

    root = path.resolve()
    names = [Path(folder) / name for folder, _, files in os.walk(root, onerror=refuse) for name in files if not name.startswith(".")]
    for item in sorted(names):
        # A link may lead out of the folder, a pipe would block: neither is a file of this source.
        info = item.lstat()
        if stat.S_ISREG(info.st_mode):
            yield _local_object(item, info)


def _local_object(path: Path, info: os.stat_result) -> RawObject:
    return RawObject(
        uri=path.as_uri(),
        etag=f"{info.st_mtime_ns:x}-{info.st_size:x}-{info.st_ino:x}",
        bytes=info.st_size,
        modified=datetime.fromtimestamp(info.st_mtime, UTC),
    )


def _remote(source: str, since: datetime | None) -> Iterator[RawObject]:
    """Yield the objects below an S3 prefix, in name order; folders of minutes before `since` are skipped by name."""
    bucket, prefix = split_s3(source)
    client: Any = S3Objects(bucket).client
    start = _first_folder(client, bucket, prefix, since)
    with aws_errors(f"source {source}"):
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, **({"StartAfter": start} if start else {}))
        count = 0
        for page in pages:
            for item in page.get("Contents", ()):
                count += 1
                name = item["Key"].rsplit("/", 1)[-1]
                if not name or name.startswith("."):
                    continue
                yield RawObject(
                    uri=f"s3://{bucket}/{item['Key']}", etag=item["ETag"].strip('"'), bytes=item["Size"], modified=item["LastModified"]
                )
        if not count and not start:
            raise DataError(f"source {source}: no such object or folder: correct --sources or ingest.sources")


def _first_folder(client: Any, bucket: str, prefix: str, since: datetime | None) -> str:
    """Key after which the folders of minutes from `since` on stand; "" when the prefix holds no such folders."""
    if since is None:
        return ""
    with aws_errors(f"source s3://{bucket}/{prefix}"):
        page = client.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1)
    first = next((item["Key"] for item in page.get("Contents", ())), "")
    position = first.find("year=")
    if position < 0 or folder_minute(first) is None:
        return ""
    earlier = since - timedelta(minutes=1)
    return first[:position] + earlier.strftime("year=%Y/month=%m/day=%d/hour=%H/minute=%M")
