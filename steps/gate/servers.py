"""Model servers of a gate: those of its parameters, or child processes that end with it."""

from __future__ import annotations

import contextlib
import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping

from steps.cluster.process import ServerProcess
from steps.contract.errors import TransientError
from steps.contract.refs import ArtifactRef
from steps.contract.spec import StepContext
from steps.gate.suite import Arm
from steps.store.artifacts import check_folder
from steps.store.models import local_model

_POLL_S = 1.0


@contextlib.contextmanager
def model_urls(models: Mapping[Arm, ArtifactRef], urls: Mapping[Arm, str], ctx: StepContext) -> Iterator[dict[Arm, str]]:
    """Base URL of each model: its own once that answers, or that of a server that runs until the context ends.

    Equal models get two servers all the same, so that their latencies can be compared.

    Args:
        models: files of each model; a stored one is downloaded to the artifacts.
        urls: base URL of each model's server; empty: start one here.
        ctx: the step's context.

    Raises:
        DataError: a model is gone, or is not what its reference says.
        TransientError: a server does not answer within `gate.server_start_s`.
    """
    with contextlib.ExitStack() as stack:
        started: dict[Arm, ServerProcess] = {}
        for arm, ref in models.items():
            if not urls[arm]:
                folder = check_folder(local_model(ref, ctx.artifacts), f"the {arm}", f"check the reference {ref.uri}")
                options = {"model": folder, "served_model_name": ctx.config.model_name, "model_version": arm}
                log_file = ctx.workdir / "logs" / f"gate-{arm}.log"
                started[arm] = stack.enter_context(ServerProcess("model", options, log_file=log_file))
        for server in started.values():
            server.wait_healthy()
        deadline = time.monotonic() + ctx.config.gate.server_start_s
        for arm in models:
            if arm not in started:
                _wait_served(arm, urls[arm], deadline)
        yield {arm: started[arm].url if arm in started else urls[arm] for arm in models}


def _wait_served(arm: Arm, url: str, deadline: float) -> None:
    """Wait until a server of the parameters answers `GET /health`; a sidecar of the gate loads its model first."""
    health = f"{url.rstrip('/').removesuffix('/v1')}/health"
    while True:
        try:
            with urllib.request.urlopen(health, timeout=10):  # noqa: S310 - the URL is configuration
                return
        except urllib.error.HTTPError as error:
            if error.code < 500:  # It is up, and has no such route.
                return
            failure = f"HTTP {error.code}"
        except (OSError, http.client.HTTPException) as error:
            failure = type(error).__name__
        if time.monotonic() > deadline:
            raise TransientError(f"the {arm} at {url} is not ready ({failure}): check its server, or raise gate.server_start_s")
        time.sleep(_POLL_S)
