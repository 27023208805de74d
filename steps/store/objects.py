"""Objects below an S3 URI, through the SDK's own credential chain; every failure leaves as a typed error.

`AWS_ENDPOINT_URL` and `AWS_REGION` are the SDK's: any S3-compatible store works.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from steps.contract.errors import ConfigError, DataError
from steps.store.aws_errors import aws_errors

_DIGEST = "ctp-sha256"
# The SDK asks again for a request that failed, not for a body that broke off.
_READS = 4


def split_s3(uri: str) -> tuple[str, str]:
    """Bucket and key prefix of `s3://bucket/prefix`.

    Raises:
        ConfigError: it is no such URI.
    """
    parts = urlsplit(uri)
    if parts.scheme != "s3" or not parts.netloc or parts.query or parts.fragment:
        raise ConfigError(f"{uri!r}: write s3://BUCKET/PREFIX")
    return parts.netloc, parts.path.strip("/")


class S3Objects:
    """One bucket.

    Raises:
        ConfigError: boto3 is not installed, or no region is configured.
    """

    def __init__(self, bucket: str) -> None:
        try:
            import boto3
            from botocore.config import Config
            from botocore.exceptions import IncompleteReadError, ReadTimeoutError, ResponseStreamingError
        except ImportError:
            raise ConfigError("boto3 is not installed: install the extra `registry`") from None
        self.bucket = bucket
        self._broken = (IncompleteReadError, ReadTimeoutError, ResponseStreamingError)
        with aws_errors(f"s3://{bucket}"):
            self._client: Any = boto3.session.Session().client("s3", config=Config(retries={"mode": "standard", "total_max_attempts": 5}))

    def read(self, key: str) -> bytes | None:
        """The content of a small object; None when there is none."""
        with aws_errors(self._name(key)):
            try:
                body: bytes = self._client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
            except self._client.exceptions.NoSuchKey:
                return None
            return body

    def write(self, key: str, content: bytes) -> None:
        """Put a small object."""
        with aws_errors(self._name(key)):
            self._client.put_object(Bucket=self.bucket, Key=key, Body=content)

    def holds(self, key: str, sha256: str, size: int) -> bool:
        """Whether the object was uploaded whole from content of this digest."""
        with aws_errors(self._name(key)):
            try:
                found = self._client.head_object(Bucket=self.bucket, Key=key)
            except self._client.exceptions.ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                    return False
                raise
        return bool(found["ContentLength"] == size and found["Metadata"].get(_DIGEST) == sha256)

    def upload(self, path: Path, key: str, sha256: str) -> None:
        """Upload a file, in parts when it is large; the store checks each part's checksum."""
        extra = {"Metadata": {_DIGEST: sha256}, "ChecksumAlgorithm": "SHA256"}
        with aws_errors(self._name(key)):
            self._client.upload_file(str(path), self.bucket, key, ExtraArgs=extra)

    def download(self, key: str, path: Path) -> None:
        """Download an object to a new file.

        Raises:
            DataError: there is no such object.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        with aws_errors(self._name(key)):
            self._client.download_file(self.bucket, key, str(path))

    def keys(self, prefix: str) -> list[str]:
        """Keys that begin with `prefix`, in order."""
        with aws_errors(self._name(prefix)):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
            return [entry["Key"] for page in pages for entry in page.get("Contents", ())]

    def has_any(self, prefix: str) -> bool:
        """Whether any key begins with `prefix`."""
        with aws_errors(self._name(prefix)):
            return bool(self._client.list_objects_v2(Bucket=self.bucket, Prefix=prefix, MaxKeys=1).get("KeyCount"))

    def entries(self, prefix: str, limit: int | None = None) -> Iterator[dict[str, Any]]:
        """Yield `Key`, `ETag`, `Size` and `LastModified` of what begins with `prefix`, in order of keys."""
        with aws_errors(self._name(prefix)):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=prefix, PaginationConfig={"MaxItems": limit}
            )
            for page in pages:
                yield from page.get("Contents", ())

    def folder(self, prefix: str) -> tuple[list[dict[str, Any]], list[str]]:
        """Entries right below a prefix that ends with a slash, and the prefixes of its folders."""
        entries: list[dict[str, Any]] = []
        folders: list[str] = []
        with aws_errors(self._name(prefix)):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix, Delimiter="/"):
                entries += page.get("Contents", ())
                folders += [item["Prefix"] for item in page.get("CommonPrefixes", ())]
        return entries, folders

    def read_range(self, key: str, start: int, length: int, etag: str) -> bytes:
        """Read bytes of an object that still has this ETag.

        Raises:
            DataError: it is gone, or was replaced.
        """
        what = {"Bucket": self.bucket, "Key": key, "IfMatch": etag, "Range": f"bytes={start}-{start + length - 1}"}
        with aws_errors(self._name(key)):
            for attempt in range(_READS):
                try:
                    part: bytes = self._client.get_object(**what)["Body"].read()
                    break
                except self._client.exceptions.ClientError as error:
                    if error.response["ResponseMetadata"]["HTTPStatusCode"] in (412, 416):
                        raise DataError(f"source file {self._name(key)}: not the object that was listed: run ingest again") from error
                    raise
                except self._broken:
                    if attempt == _READS - 1:
                        raise
        return part

    def delete(self, keys: list[str]) -> None:
        """Delete objects; those that are gone are passed over."""
        for key in keys:
            with aws_errors(self._name(key)):
                self._client.delete_object(Bucket=self.bucket, Key=key)

    def _name(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"
