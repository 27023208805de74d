"""Servers of the models under test, where nobody has started them."""

from __future__ import annotations

import contextlib
import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

from steps.cluster.process import ServerProcess
from steps.contract.errors import DataError, TransientError
from steps.contract.files import sha256_tree
from steps.contract.refs import ArtifactRef
from steps.contract.spec import StepContext
from steps.gate.suite import Arm
from steps.store.models import local_model

_POLL_S = 1.0


def verified_model(ref: ArtifactRef, artifacts: Path) -> Path:
    """The folder of a model whose content is what its reference says; a stored one is downloaded to the artifacts.

    Raises:
        DataError: it is missing or was changed.
    """
    path = Path(local_model(ref, artifacts).local_path())
    if not path.is_dir():
        raise DataError(f"{path}: no such model folder: check the reference {ref.uri}")
    if (found := sha256_tree(path)) != ref.sha256:
        raise DataError(f"{path}: SHA-256 of its files is {found}, the reference says {ref.sha256}: the model was changed")
    return path


@contextlib.contextmanager
def model_urls(models: Mapping[Arm, ArtifactRef], urls: Mapping[Arm, str], ctx: StepContext) -> Iterator[dict[Arm, str]]:
    """Base URL of each model: the given one once it answers, or that of a server started here and stopped at the end.

    Equal models get two servers all the same, so that their latencies can be compared.

    Raises:
        TransientError: a given server does not answer within `gate.server_start_s`.
    """
    with contextlib.ExitStack() as stack:
        started: dict[Arm, ServerProcess] = {}
        for arm, ref in models.items():
            if not urls[arm]:
                options = {"model": verified_model(ref, ctx.artifacts), "served_model_name": ctx.config.model_name, "model_version": arm}
                started[arm] = stack.enter_context(ServerProcess("model", options, log_file=_log(ctx, arm)))
        for server in started.values():
            server.wait_healthy()
        deadline = time.monotonic() + ctx.config.gate.server_start_s
        for arm in models:
            if arm not in started:
                _wait_served(arm, urls[arm], deadline)
        yield {arm: started[arm].url if arm in started else urls[arm] for arm in models}


def _wait_served(arm: Arm, url: str, deadline: float) -> None:
    """Wait until a server that somebody else started answers `GET /health`; one beside the gate loads its model first."""
    health = f"{url.rstrip('/').removesuffix('/v1')}/health"
    while True:
        try:
            with urllib.request.urlopen(health, timeout=10):  # noqa: S310 - the URL is configuration
                return
        except urllib.error.HTTPError as error:
            if error.code < 500:  # It is there, and knows no such route.
                return
            said = f"HTTP {error.code}"
        except (OSError, http.client.HTTPException) as error:
            said = type(error).__name__
        if time.monotonic() > deadline:
            raise TransientError(f"the {arm} at {url} is not ready ({said}): check its server, or raise gate.server_start_s")
        time.sleep(_POLL_S)


def _log(ctx: StepContext, name: str) -> Path:
    return ctx.workdir / "logs" / f"gate-{name}.log"
