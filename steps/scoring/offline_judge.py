"""The offline judge as a child process, for a judge that is configured without a URL."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from steps.cluster.process import ServerProcess
from steps.contract.config import JudgeConfig


def offline_judge(*, log_file: Path) -> ServerProcess:
    """A server of the offline judge, not yet started."""
    return ServerProcess("judge", {}, log_file=log_file)


def with_url(judge: JudgeConfig, server: ServerProcess) -> JudgeConfig:
    """The judge's configuration with the URL of a server, once that server is healthy.

    Raises:
        PipelineError: the server ended, or is not healthy in time.
    """
    return judge.model_copy(update={"base_url": f"{server.wait_healthy().url}/v1"})


@contextlib.contextmanager
def reachable_judge(judge: JudgeConfig, log_file: Path) -> Iterator[JudgeConfig]:
    """A judge with a URL: its own, or that of an offline judge that runs until the context ends.

    Args:
        judge: as configured.
        log_file: where an offline judge writes its log.
    """
    if judge.base_url:
        yield judge
        return
    with offline_judge(log_file=log_file) as server:
        yield with_url(judge, server)
