"""Counters of answer quality by model version, and the budget of scoring. No I/O."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import Metric

MAX_VERSIONS = 64
MAX_LABEL_CHARS = 64
LABELS = ("model_name", "model_version", "pod_template_hash")
METRICS = ("faithfulness", "answer_relevancy")
Version = tuple[str, str, str]


@dataclass(slots=True)
class ScoreSums:
    """Scores of one metric, each 0-1: how many, their sum, the sum of their squares."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0

    def add(self, score: float) -> None:
        """Count one score."""
        self.count += 1
        self.total += score
        self.squares += score * score


@dataclass(slots=True)
class VersionQuality:
    """Counters of one version.

    Attributes:
        scores: by metric.
        by_status: traces by what became of them: scored, or why not.
        up, down: users' verdicts.
        shown: whether a scrape has seen this version.
    """

    scores: dict[str, ScoreSums] = field(default_factory=lambda: {name: ScoreSums() for name in METRICS})
    by_status: dict[str, int] = field(default_factory=dict)
    up: int = 0
    down: int = 0
    shown: bool = False


class QualityCounters:
    """Monotonic counters by version; a Prometheus collector.

    A version is (model name, model version, pod template hash). At most 64 are told
    apart: span attributes become labels, and whoever writes spans must not be able to
    fill the time series database.

    The first scrape that meets a version shows zeros: Prometheus cannot see an increase
    from nothing, and would lose what was counted before it came by.
    """

    def __init__(self) -> None:
        self._versions: dict[Version, VersionQuality] = {}

    def of(self, version: Version) -> VersionQuality:
        """The counters of one version."""
        name, number, pods = (part[:MAX_LABEL_CHARS] for part in version)
        key = (name, number, pods)
        if key not in self._versions and len(self._versions) >= MAX_VERSIONS:
            key = ("other", "other", "other")
        return self._versions.setdefault(key, VersionQuality())

    def scored(self, version: Version, scores: Mapping[str, float | None]) -> None:
        """An answer was scored; a metric without a score is left out.

        Raises:
            ValueError: a score is not within 0 and 1.
        """
        known = {name: score for name, score in scores.items() if score is not None}
        for name, score in known.items():
            if not 0.0 <= score <= 1.0:
                raise ValueError(f"{name} {score} is not within 0 and 1")
        counters = self.of(version)
        for name, score in known.items():
            counters.scores[name].add(score)
        self.skipped(version, "scored")

    def skipped(self, version: Version, status: str) -> None:
        """What became of a trace."""
        statuses = self.of(version).by_status
        statuses[status] = statuses.get(status, 0) + 1

    def feedback(self, version: Version, value: float) -> None:
        """A user's verdict: from 0.5 on it is up."""
        counters = self.of(version)
        if value >= 0.5:
            counters.up += 1
        else:
            counters.down += 1

    def collect(self) -> Iterator[Metric]:
        """The metric families of the exposition."""
        from prometheus_client import Metric
        from prometheus_client.core import CounterMetricFamily, SummaryMetricFamily

        sums, squares = {}, {}
        for name in METRICS:
            spoken = name.replace("_", " ").capitalize()
            sums[name] = SummaryMetricFamily(f"ctp_quality_{name}", f"{spoken} of scored live answers, 0-1.", labels=LABELS)
            squares[name] = Metric(f"ctp_quality_{name}_square_sum", f"Sum of squared {name} of scored live answers.", "unknown")
        scored = CounterMetricFamily("ctp_quality_scored", "Live traces by what became of them.", labels=(*LABELS, "status"))
        up = CounterMetricFamily("ctp_quality_feedback_up", "Thumbs up of users.", labels=LABELS)
        down = CounterMetricFamily("ctp_quality_feedback_down", "Thumbs down of users.", labels=LABELS)
        for version, known in list(self._versions.items()):
            counters = known if known.shown else VersionQuality(by_status=dict.fromkeys(known.by_status, 0))
            known.shown = True
            for name, score in counters.scores.items():
                sums[name].add_metric(version, count_value=score.count, sum_value=score.total)
                squares[name].add_sample(squares[name].name, dict(zip(LABELS, version, strict=True)), score.squares)
            up.add_metric(version, counters.up)
            down.add_metric(version, counters.down)
            for status, count in list(counters.by_status.items()):
                scored.add_metric((*version, status), count)
        yield from (*sums.values(), *squares.values(), scored, up, down)


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
