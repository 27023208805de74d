"""Failures of the Kubernetes API as typed errors, by type and HTTP status, without the server's text."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from steps.contract.errors import AccessError, PipelineError, TransientError


def typed_error(error: Exception, what: str, remedy: str) -> PipelineError | None:
    """The typed error of a failure of the Kubernetes client or of its connection; None: it is neither's.

    Args:
        error: as it was raised.
        what: what was read or changed, for the message.
        remedy: what to do where the API refuses the account.
    """
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError

    if isinstance(error, ApiException) and error.status in (401, 403):
        return AccessError(f"{what}: the Kubernetes API refuses it (HTTP {error.status}): {remedy}")
    # Without a status the connection failed, as when a certificate is refused.
    if isinstance(error, ApiException) and error.status:
        return TransientError(f"{what}: the Kubernetes API answers HTTP {error.status}: run the same command again")
    if isinstance(error, ApiException | HTTPError | OSError):
        name = type(error).__name__
        return TransientError(f"{what}: the Kubernetes API does not answer ({name}): check KUBECONFIG and the network")
    return None


@contextlib.contextmanager
def kube_errors(what: str, remedy: str) -> Iterator[None]:
    """Turn failures of the Kubernetes API inside the block into typed errors; others pass."""
    try:
        yield
    except PipelineError:
        raise
    except Exception as error:
        known = typed_error(error, what, remedy)
        if known is None:
            raise
        raise known from error
