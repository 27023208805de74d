"""Failures of AWS and S3-compatible stores as typed errors, by type and code: the SDK's, and those that PyArrow raises for S3."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from steps.contract.errors import AccessError, ConfigError, DataError, PipelineError, TransientError

_DENIED = frozenset(
    {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "Forbidden", "UnrecognizedClientException"}
)
_DENIED_STATUS = frozenset({401, 403})
# PyArrow gives S3's failures as OSError whose text is all there is. It always has this shape.
# Source: Apache Arrow, cpp/src/arrow/filesystem/s3_internal.h (ErrorToStatus).
_ARROW = re.compile(r"AWS Error (?P<code>[A-Z_]+|UNKNOWN \(HTTP status (?P<status>\d{3})\)) during \w+ operation")
_ARROW_DENIED = frozenset({"ACCESS_DENIED", "INVALID_ACCESS_KEY_ID", "SIGNATURE_DOES_NOT_MATCH", "INVALID_CLIENT_TOKEN_ID"})
_ARROW_ABSENT = frozenset({"NO_SUCH_KEY", "NO_SUCH_BUCKET", "RESOURCE_NOT_FOUND"})


def typed_error(error: Exception, what: str) -> PipelineError | None:
    """The typed error of a failure of the SDK or of PyArrow's S3; None: it is neither's.

    Args:
        error: as it was raised.
        what: what was used, for the message.
    """
    if isinstance(error, OSError) and (match := _ARROW.search(str(error))):
        return _of_arrow(match, what)
    if type(error).__module__.partition(".")[0] not in ("botocore", "boto3"):
        return None
    from botocore import exceptions

    said = " ".join(str(error).split())[:200]
    if isinstance(error, exceptions.ClientError):
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) or (code if code.isdigit() else 0))
        if code == "NoSuchBucket":
            return ConfigError(f"{what}: there is no such bucket: correct its name in the configuration, or create it")
        if code in _DENIED or status in _DENIED_STATUS:
            return AccessError(f"{what}: {said}: give this step's account access to it")
        if status == 404:
            return DataError(f"{what}: no such object: it was deleted, or never stored")
        return TransientError(f"{what}: {said}: run the same command again")
    if isinstance(error, exceptions.NoCredentialsError | exceptions.PartialCredentialsError):
        return AccessError(f"{what}: no AWS credentials: give the pod a role, or set the SDK's variables")
    if isinstance(error, exceptions.NoRegionError):
        return ConfigError(f"{what}: no AWS region: set AWS_REGION")
    return TransientError(f"{what}: {said}: run the same command again")


def _of_arrow(match: re.Match[str], what: str) -> PipelineError:
    code, status = match["code"], int(match["status"] or 0)
    if code in _ARROW_DENIED or status in _DENIED_STATUS:
        return AccessError(f"{what}: access denied by the object store: check the role of this step's account")
    if code in _ARROW_ABSENT or status == 404:
        return DataError(f"{what}: no such object: it was deleted, or never stored")
    return TransientError(f"{what}: the object store did not answer ({code}): run the same command again")


@contextlib.contextmanager
def aws_errors(what: str) -> Iterator[None]:
    """Turn failures of AWS inside the block into typed errors; others pass."""
    try:
        yield
    except PipelineError:
        raise
    except Exception as error:
        known = typed_error(error, what)
        if known is None:
            raise
        raise known from error
