"""Envoy's counters: per cluster requests by status class and the latency histogram. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from steps.serve.gateway.envoy import CLUSTERS

_REQUESTS = "envoy_cluster_upstream_rq_xx"
_LATENCY = "envoy_cluster_upstream_rq_time"


@dataclass(frozen=True)
class ClusterStats:
    """Counters of one version: since Envoy's start, or between two snapshots.

    Attributes:
        by_class: responses by status class, "2" to "5"; Envoy's own 503 included.
        buckets: upper bound in milliseconds (inf at last) -> answered requests at most that slow.
        latency_sum_ms: sum over those requests.
    """

    by_class: Mapping[str, float] = field(default_factory=dict)
    buckets: Mapping[float, float] = field(default_factory=dict)
    latency_sum_ms: float = 0.0

    @property
    def requests(self) -> int:
        """Finished requests of any status."""
        return int(sum(self.by_class.values()))

    @property
    def ok(self) -> int:
        """Requests answered 2xx."""
        return int(self.by_class.get("2", 0))

    @property
    def refused(self) -> int:
        """Requests answered 4xx: the client's fault."""
        return int(self.by_class.get("4", 0))

    @property
    def errors(self) -> int:
        """Requests answered 5xx."""
        return int(self.by_class.get("5", 0))

    @property
    def error_ratio(self) -> float | None:
        """5xx over all requests, 0-1; None without requests."""
        return self.errors / self.requests if self.requests else None

    @property
    def p99_ms(self) -> float | None:
        """99th percentile of the latency in milliseconds; None without requests."""
        return self.quantile_ms(0.99)

    def quantile_ms(self, q: float) -> float | None:
        """A latency quantile by linear interpolation in its bucket, as PromQL's `histogram_quantile`.

        Source:
            https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile
        """
        bounds = sorted(self.buckets)
        total = self.buckets[bounds[-1]] if bounds else 0.0
        if total <= 0:
            return None
        rank, low, below = q * total, 0.0, 0.0
        for bound in bounds:
            count = self.buckets[bound]
            if count >= rank:
                if math.isinf(bound):
                    return low
                return low + (bound - low) * (rank - below) / (count - below) if count > below else bound
            low, below = bound, count
        return low

    def since(self, earlier: ClusterStats) -> ClusterStats:
        """The increase since `earlier`; after a restart of the proxy everything counts."""
        if self.requests < earlier.requests:
            return self
        return ClusterStats(
            {key: value - earlier.by_class.get(key, 0.0) for key, value in self.by_class.items()},
            {bound: count - earlier.buckets.get(bound, 0.0) for bound, count in self.buckets.items()},
            self.latency_sum_ms - earlier.latency_sum_ms,
        )


@dataclass(frozen=True)
class GatewayStats:
    """Both versions at one moment, or over the time between two."""

    stable: ClusterStats = field(default_factory=ClusterStats)
    canary: ClusterStats = field(default_factory=ClusterStats)

    @property
    def canary_share(self) -> float | None:
        """Share of all requests that the canary got, 0-1; None without requests."""
        total = self.stable.requests + self.canary.requests
        return self.canary.requests / total if total else None

    def since(self, earlier: GatewayStats) -> GatewayStats:
        """The increase since `earlier`."""
        return GatewayStats(self.stable.since(earlier.stable), self.canary.since(earlier.canary))


def read_stats(text: str) -> GatewayStats:
    """Read `/stats/prometheus`. A counter that Envoy does not show yet is 0."""
    from prometheus_client.parser import text_string_to_metric_families

    names = {cluster: name for name, cluster in CLUSTERS.items()}
    by_class: dict[str, dict[str, float]] = {name: {} for name in CLUSTERS}
    buckets: dict[str, dict[float, float]] = {name: {} for name in CLUSTERS}
    sums = dict.fromkeys(CLUSTERS, 0.0)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            name = names.get(sample.labels.get("envoy_cluster_name", ""))
            if name is None:
                continue
            if sample.name in (_REQUESTS, f"{_REQUESTS}_total"):
                by_class[name][sample.labels["envoy_response_code_class"]] = sample.value
            elif sample.name == f"{_LATENCY}_bucket":
                buckets[name][float(sample.labels["le"])] = sample.value
            elif sample.name == f"{_LATENCY}_sum":
                sums[name] = sample.value
    stats = {name: ClusterStats(by_class[name], buckets[name], sums[name]) for name in CLUSTERS}
    return GatewayStats(stats["stable"], stats["canary"])
