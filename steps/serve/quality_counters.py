"""Counters of answer quality by model version, and the budget of scoring. No I/O."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import Metric

MAX_VERSIONS = 64
MAX_LABEL_CHARS = 64
Version = tuple[str, str]


@dataclass(slots=True)
class VersionQuality:
    """Counters of one (model name, model version). Scores are 0-1.

    Attributes:
        count, total, squares: number of scores, their sum, the sum of their squares.
        by_status: traces by what became of them: scored, or why not.
        up, down: users' verdicts.
    """

    count: int = 0
    total: float = 0.0
    squares: float = 0.0
    by_status: dict[str, int] = field(default_factory=dict)
    up: int = 0
    down: int = 0


class QualityCounters:
    """Monotonic counters by version; a Prometheus collector.

    At most 64 versions are told apart: span attributes become labels, and whoever
    writes spans must not be able to fill the time series database.
    """

    def __init__(self) -> None:
        self._versions: dict[Version, VersionQuality] = {}

    def of(self, model_name: str, model_version: str) -> VersionQuality:
        """The counters of one version."""
        key = (model_name[:MAX_LABEL_CHARS], model_version[:MAX_LABEL_CHARS])
        if key not in self._versions and len(self._versions) >= MAX_VERSIONS:
            key = ("other", "other")
        return self._versions.setdefault(key, VersionQuality())

    def scored(self, model_name: str, model_version: str, faithfulness: float) -> None:
        """An answer was scored.

        Raises:
            ValueError: the score is not within 0 and 1.
        """
        if not 0.0 <= faithfulness <= 1.0:
            raise ValueError(f"faithfulness {faithfulness} is not within 0 and 1")
        counters = self.of(model_name, model_version)
        counters.count += 1
        counters.total += faithfulness
        counters.squares += faithfulness * faithfulness
        self.skipped(model_name, model_version, "scored")

    def skipped(self, model_name: str, model_version: str, status: str) -> None:
        """A trace was not scored, for this reason."""
        statuses = self.of(model_name, model_version).by_status
        statuses[status] = statuses.get(status, 0) + 1

    def feedback(self, model_name: str, model_version: str, value: float) -> None:
        """A user's verdict: from 0.5 on it is up."""
        counters = self.of(model_name, model_version)
        if value >= 0.5:
            counters.up += 1
        else:
            counters.down += 1

    def collect(self) -> Iterator[Metric]:
        """The metric families of the exposition."""
        from prometheus_client import Metric
        from prometheus_client.core import CounterMetricFamily, SummaryMetricFamily

        names = ("model_name", "model_version")
        faithfulness = SummaryMetricFamily("ctp_quality_faithfulness", "Faithfulness of scored live answers, 0-1.", labels=names)
        squares = Metric("ctp_quality_faithfulness_square_sum", "Sum of squared faithfulness of scored live answers.", "unknown")
        scored = CounterMetricFamily("ctp_quality_scored", "Live traces by what became of them.", labels=(*names, "status"))
        up = CounterMetricFamily("ctp_quality_feedback_up", "Thumbs up of users.", labels=names)
        down = CounterMetricFamily("ctp_quality_feedback_down", "Thumbs down of users.", labels=names)
        for version, counters in list(self._versions.items()):
            faithfulness.add_metric(version, count_value=counters.count, sum_value=counters.total)
            squares.add_sample(squares.name, dict(zip(names, version, strict=True)), counters.squares)
            up.add_metric(version, counters.up)
            down.add_metric(version, counters.down)
            for status, count in list(counters.by_status.items()):
                scored.add_metric((*version, status), count)
        yield from (faithfulness, squares, scored, up, down)


class Budget:
    """A token bucket for each version: a burst of two seconds, then `max_per_s`.

    Every version has its own, or the stable version would use up what the small share
    of a canary needs.

    Args:
        max_per_s: traces a second.
        max_in_all: traces over the process's life; 0: no bound.
        clock: monotonic seconds.
    """

    def __init__(self, max_per_s: float, max_in_all: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._most, self._clock = max_per_s, max_in_all, clock
        self._burst = max(1.0, 2 * max_per_s)
        self._left: dict[Version, tuple[float, float, int]] = {}

    def take(self, version: Version) -> bool:
        """Use one trace of the version's budget, if there is any left."""
        now = self._clock()
        tokens, then, used = self._left.get(version, (self._burst, now, 0))
        tokens = min(self._burst, tokens + (now - then) * self._rate)
        allowed = tokens >= 1 and (not self._most or used < self._most)
        self._left[version] = (tokens - 1, now, used + 1) if allowed else (tokens, now, used)
        return allowed
