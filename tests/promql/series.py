"""Synthetic time series as OpenMetrics text: what `promtool tsdb create-blocks-from openmetrics` reads."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

# Noon of a day long gone: blocks of the past are never compacted away or confused with what is scraped now.
NOW = 1_767_268_800.0
SCRAPE_S = 15.0


@dataclass(frozen=True)
class Series:
    """One series: samples are (seconds since the epoch, value)."""

    name: str
    labels: Mapping[str, str]
    samples: tuple[tuple[float, float], ...]

    def lines(self) -> Iterator[str]:
        """Its exposition, oldest first."""
        labels = ",".join(f'{key}="{value}"' for key, value in sorted(self.labels.items()))
        for moment, value in self.samples:
            yield f"{self.name}{{{labels}}} {_number(value)} {moment:.3f}\n"


def _number(value: float) -> str:
    return "NaN" if math.isnan(value) else "+Inf" if value == math.inf else repr(float(value))


def write_openmetrics(series: Iterable[Series], path: Path) -> None:
    """All series as one OpenMetrics file. Families without a type take any name."""
    by_name: dict[str, list[Series]] = {}
    for one in series:
        by_name.setdefault(one.name, []).append(one)
    with path.open("w", encoding="utf-8") as file:
        for name in sorted(by_name):
            for one in by_name[name]:
                file.writelines(one.lines())
        file.write("# EOF\n")


def sampled(name: str, labels: Mapping[str, str], value: Callable[[float], float], *, span_s: float, step_s: float = SCRAPE_S) -> Series:
    """A series over the last `span_s` seconds before NOW; `value` gets the seconds since its start."""
    count = int(span_s // step_s)
    moments = [NOW - span_s + index * step_s for index in range(count + 1)]
    return Series(name, dict(labels), tuple((moment, value(moment - NOW + span_s)) for moment in moments))


def counter(
    name: str,
    labels: Mapping[str, str],
    per_s: float,
    *,
    span_s: float,
    reset_s: float | None = None,
    first: float = 0.0,
    step_s: float = SCRAPE_S,
) -> Series:
    """A counter that grows evenly from `first`; at `reset_s` before NOW its process starts again from zero."""
    broken = math.inf if reset_s is None else span_s - reset_s

    def value(age: float) -> float:
        return per_s * (age - broken) if age >= broken else first + per_s * age

    return sampled(name, labels, value, span_s=span_s, step_s=step_s)


# Upper bounds in milliseconds and the share of answers at most that slow.
FAST = {100.0: 0.5, 250.0: 0.8, 500.0: 0.97, 1000.0: 0.995, 2500.0: 1.0, math.inf: 1.0}
SLOW = {100.0: 0.1, 250.0: 0.3, 500.0: 0.6, 1000.0: 0.8, 2500.0: 0.95, 5000.0: 1.0, math.inf: 1.0}


@dataclass(frozen=True)
class Traffic:
    """What one version does, evenly over time.

    Attributes:
        requests_per_s: finished requests at the gateway, all proxies together.
        error_ratio: share answered 5xx.
        latency: upper bound in ms -> share at most that slow.
        score: mean of faithfulness and answer relevancy; each score is 0 or 1.
        thumbs_up_ratio: share of users' verdicts that are up; one request in five gets one.
        waiting: requests that wait in each pod.
    """

    requests_per_s: float = 2.0
    error_ratio: float = 0.002
    latency: Mapping[float, float] = field(default_factory=lambda: FAST)
    score: float = 0.92
    thumbs_up_ratio: float = 0.9
    waiting: float = 0.5

    def mixed(self, other: Traffic, share: float) -> Traffic:
        """This version with a share of its requests answered like another."""

        def blend(ours: float, theirs: float) -> float:
            return (1 - share) * ours + share * theirs

        def at_most(latency: Mapping[float, float], bound: float) -> float:
            return max((fraction for edge, fraction in latency.items() if edge <= bound), default=0.0)

        bounds = sorted({*self.latency, *other.latency})
        return replace(
            self,
            error_ratio=blend(self.error_ratio, other.error_ratio),
            latency={bound: blend(at_most(self.latency, bound), at_most(other.latency, bound)) for bound in bounds},
            score=blend(self.score, other.score),
            thumbs_up_ratio=blend(self.thumbs_up_ratio, other.thumbs_up_ratio),
        )


@dataclass(frozen=True)
class Version:
    """Where a version's series are found."""

    cluster: str
    pod_hash: str


def version_series(
    version: Version,
    traffic: Traffic,
    *,
    span_s: float,
    reset_s: float | None = None,
    pods: Mapping[str, float] | None = None,
    proxies: int = 2,
    nan: bool = False,
    step_s: float = SCRAPE_S,
) -> list[Series]:
    """Every series of one version, as gateway, quality exporter and model servers write them.

    Args:
        version: labels.
        traffic: what it does.
        span_s: how long it has been doing it before NOW.
        reset_s: all counters start again this long before NOW.
        pods: pod -> waiting requests; None: three pods with `traffic.waiting`.
        proxies: gateway proxies that share the requests.
        nan: every value is not a number.
        step_s: seconds between two samples.
    """
    made: list[Series] = []

    def count(name: str, labels: Mapping[str, str], per_s: float) -> None:
        one = counter(name, labels, per_s, span_s=span_s, reset_s=reset_s, step_s=step_s)
        made.append(replace(one, samples=tuple((moment, math.nan) for moment, _ in one.samples)) if nan else one)

    rate = traffic.requests_per_s
    for proxy in range(proxies):
        labels, part = {"envoy_cluster_name": version.cluster, "pod": f"proxy-{proxy}"}, rate / proxies
        count("envoy_cluster_upstream_rq_xx", labels | {"envoy_response_code_class": "2"}, part * (1 - traffic.error_ratio))
        if traffic.error_ratio:
            count("envoy_cluster_upstream_rq_xx", labels | {"envoy_response_code_class": "5"}, part * traffic.error_ratio)
        for bound, share in traffic.latency.items():
            le = "+Inf" if math.isinf(bound) else f"{bound:g}"
            count("envoy_cluster_upstream_rq_time_bucket", labels | {"le": le}, part * share)
    quality = {"model_name": "agent-model", "model_version": version.pod_hash, "pod_template_hash": version.pod_hash}
    for metric in ("faithfulness", "answer_relevancy"):
        for part_name, per_s in (("count", rate), ("sum", rate * traffic.score), ("square_sum", rate * traffic.score)):
            count(f"ctp_quality_{metric}_{part_name}", quality, per_s)
    count("ctp_quality_feedback_up_total", quality, rate / 5 * traffic.thumbs_up_ratio)
    count("ctp_quality_feedback_down_total", quality, rate / 5 * (1 - traffic.thumbs_up_ratio))
    waiting = pods or {f"pod-{index}": traffic.waiting for index in range(3)}
    for pod, queue in waiting.items():
        labels = {"model_name": "agent-model", "engine": "0", "namespace": "model-serving", "pod": pod}
        labels |= {"rollouts_pod_template_hash": version.pod_hash}
        count("vllm:request_success_total", labels | {"finished_reason": "stop"}, rate / len(waiting))
        value = math.nan if nan else queue
        made.append(sampled("vllm:num_requests_waiting", labels, lambda _, value=value: value, span_s=span_s, step_s=step_s))
    return made
