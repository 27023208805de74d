"""Failures of the Kubernetes API, by type and status."""

from __future__ import annotations

import json

import pytest
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import MaxRetryError, SSLError

from steps.cluster.kube_errors import kube_errors
from steps.contract.errors import AccessError, DataError, PipelineError, TransientError


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (
            ApiException(status=401, reason="secret"),
            AccessError,
            "rollouts: the Kubernetes API refuses it (HTTP 401): let this account get rollouts",
        ),
        (ApiException(status=403), AccessError, "rollouts: the Kubernetes API refuses it (HTTP 403): let this account get rollouts"),
        (
            ApiException(status=500, reason="403 secret"),
            TransientError,
            "rollouts: the Kubernetes API answers HTTP 500: run the same command again",
        ),
        (ApiException(status=0, reason="secret"), TransientError, "does not answer (ApiException)"),
        (MaxRetryError(None, "/", SSLError("secret")), TransientError, "does not answer (MaxRetryError)"),
        (ConnectionRefusedError("secret"), TransientError, "does not answer (ConnectionRefusedError)"),
    ],
)
def test_a_failure_is_typed_without_the_servers_text(error, kind, message):
    with pytest.raises(kind) as failure, kube_errors("rollouts", "let this account get rollouts"):
        raise error
    assert message in str(failure.value) and "secret" not in str(failure.value)


@pytest.mark.parametrize("error", [json.JSONDecodeError("x", "x", 0), KeyError("items"), DataError("there is none")])
def test_what_is_not_the_apis_passes(error):
    with pytest.raises(type(error)) as failure, kube_errors("rollouts", "log in"):
        raise error
    assert failure.value is error and (isinstance(error, DataError) or not isinstance(failure.value, PipelineError))
