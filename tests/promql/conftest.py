"""One real Prometheus over everything synthetic, and where a test wants another, a factory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from . import scenarios
from .prometheus import Prometheus, missing


@pytest.fixture(scope="session")
def start_prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Prometheus]]:
    """Start one with the arguments of `Prometheus` but its folder; all are ended with the session."""
    why = missing()
    if why:
        pytest.skip(why)
    started: list[Prometheus] = []

    def start(**options: object) -> Prometheus:
        started.append(Prometheus(tmp_path_factory.mktemp("prometheus"), **options))  # type: ignore[arg-type]
        return started[-1]

    yield start
    for prometheus in started:
        prometheus.stop()


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).parents[2]


@pytest.fixture(scope="session")
def prometheus(start_prometheus: Callable[..., Prometheus]) -> Prometheus:
    """Every scenario of `scenarios`, told apart by the names of their versions."""
    return start_prometheus(series=scenarios.all_series())
