"""Canary rules as Prometheus and Argo Rollouts read them.

Every query returns one number or nothing: nothing when one side has too few samples,
so a canary without traffic, a missing exporter and a series of NaN all end as no verdict.

Series and labels are the ones that the exporters write themselves, so that they do not
depend on how Prometheus is told to scrape; only saturation needs the pod's template
hash as a target label, because model servers do not know it.

Counters are read with `increase`, which follows resets. A counter that appears with its
first scrape above zero is counted from that scrape on.

Source:
    argo-rollouts analysis/analysis.go, utils/evaluate/evaluate.go (commit 9f8d111).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from steps.canary.rules import RULES, Query, Rule, Scores, Side, number
from steps.contract.config.canary import CanaryConfig

REQUESTS = "envoy_cluster_upstream_rq_xx"
LATENCY = "envoy_cluster_upstream_rq_time_bucket"
QUALITY = "ctp_quality"
ANSWERED = "vllm:request_success_total"
WAITING = "vllm:num_requests_waiting"
HASH_LABEL = "pod_template_hash"
POD_HASH_LABEL = "rollouts_pod_template_hash"
# Rollouts asks again after an error at this pace, whatever the interval is.
ERROR_RETRY_S = 10
# Looks at a long window need not be as frequent: neighbours rest on nearly the same samples.
LONG_WINDOW_LOOKS = 24
FINITE = "len(result) == 1 && !isNaN(result[0]) && !isInf(result[0])"


@dataclass(frozen=True)
class Source:
    """How one version is recognised.

    Attributes:
        cluster: Envoy's name of its Service, `kube_<namespace>_<service>_<port>`.
        pod_hash: `rollouts-pod-template-hash` of its pods.
    """

    cluster: str
    pod_hash: str


# Rollouts puts the arguments of the AnalysisRun in.
STABLE = Source("{{args.stable-cluster}}", "{{args.stable-hash}}")
CANARY = Source("{{args.canary-cluster}}", "{{args.canary-hash}}")
ARGUMENTS = ("stable-cluster", "canary-cluster", "stable-hash", "canary-hash")


def duration(seconds: float) -> str:
    """A duration as Prometheus, Go and Rollouts read it: whole seconds, or milliseconds."""
    whole = round(seconds)
    return f"{whole}s" if math.isclose(seconds, whole) else f"{max(1, round(seconds * 1000))}ms"


def _increase(metric: str, labels: str, window: str) -> Query:
    return Query(f"sum(increase({metric}{{{labels}}}[{window}]))")


def _scores(metric: str, labels: str, window: str) -> Scores[Query]:
    return Scores(*(_increase(f"{QUALITY}_{metric}_{part}", labels, window) for part in ("count", "sum", "square_sum")))


def side(source: Source, window_s: float) -> Side[Query]:
    """One version's terms over a window that ends now."""
    window = duration(window_s)
    gateway = f'envoy_cluster_name="{source.cluster}"'
    quality, pods = f'{HASH_LABEL}="{source.pod_hash}"', f'{POD_HASH_LABEL}="{source.pod_hash}"'
    # No failure yet: Envoy does not show the class at all, which is none failed, not nothing known.
    failed = _increase(REQUESTS, f'{gateway},envoy_response_code_class="5"', window)
    up, down = (_increase(f"{QUALITY}_feedback_{verdict}_total", quality, window) for verdict in ("up", "down"))
    return Side(
        requests=_increase(REQUESTS, gateway, window),
        errors=Query(f"({failed.text} or vector(0))"),
        p99_latency_ms=Query(f"histogram_quantile(0.99, sum by (le) (increase({LATENCY}{{{gateway}}}[{window}])))"),
        faithfulness=_scores("faithfulness", quality, window),
        answer_relevancy=_scores("answer_relevancy", quality, window),
        feedback=Scores(Query((up + down).text, 1), up, up),
        answered=_increase(ANSWERED, pods, window),
        # The busiest pod: one that is stuck among many must not vanish in a mean.
        waiting=Query(f"max(avg_over_time({WAITING}{{{pods}}}[{window}]))"),
    )


def query(rule: Rule, config: CanaryConfig, stable: Source = STABLE, canary: Source = CANARY) -> str:
    """The PromQL of one rule: the measured value, or nothing while either side has too few samples."""
    window_s = config.long_window_s if rule.long else config.window_s
    base, ours = side(stable, window_s), side(canary, window_s)
    value = rule.value(base, ours, config)
    least = number(rule.minimum(config))
    counts = [f"({rule.samples(version).text} >= {least})" for version in (ours, base)]
    return "\n".join((f"({value.text})", *(f"and {count}" for count in counts)))


def metric_names(config: CanaryConfig) -> frozenset[str]:
    """Names of the metrics that the queries of all rules read."""
    return frozenset(name for rule in RULES for name in re.findall(r"([A-Za-z_:][\w:]*)\{", query(rule, config)))


def conditions(rule: Rule, config: CanaryConfig) -> tuple[str, str]:
    """Rollouts' success and failure conditions.

    Neither holds for no data, NaN or infinity: such a measurement is Inconclusive.
    """
    limit = number(rule.limit(config))
    passes = {">": "<=", "<": ">=", "<=": ">"}[rule.fails]
    return f"{FINITE} && result[0] {passes} {limit}", f"{FINITE} && result[0] {rule.fails} {limit}"


def interval_s(rule: Rule, config: CanaryConfig) -> float:
    """Seconds between two looks while a weight is held."""
    if rule.long and not rule.immediate:
        return max(config.interval_s, config.long_window_s / LONG_WINDOW_LOOKS)
    return config.interval_s


def _metric(rule: Rule, config: CanaryConfig) -> dict[str, object]:
    """What both kinds of analysis share. The provider's address is the chart's."""
    success, failure = conditions(rule, config)
    return {
        "name": rule.name,
        "successCondition": success,
        "failureCondition": failure,
        # An error never counts as a look; one more than this in a row ends the run as Error, which aborts.
        "consecutiveErrorLimit": int(config.max_outage_s // ERROR_RETRY_S),
        "query": query(rule, config),
    }


def background_metric(rule: Rule, config: CanaryConfig) -> dict[str, object]:
    """The metric that watches from the first weight to full promotion.

    Limits are cumulative over the whole canary. The gateway's counters belong to a
    Service, so the first look waits until no earlier canary's request is in the window.
    """
    pace = interval_s(rule, config)
    window = config.long_window_s if rule.long else config.window_s
    return _metric(rule, config) | {
        "initialDelay": duration(pace if rule.by_pod else window),
        "interval": duration(pace),
        "failureLimit": 0 if rule.immediate else config.failures_tolerated,
        "inconclusiveLimit": int(config.max_idle_s // pace),
    }


def step_metric(rule: Rule, config: CanaryConfig) -> dict[str, object]:
    """The metric that must pass before the next weight: the first look with a verdict decides.

    Without a verdict until `step_timeout_s` it is Inconclusive, and the Rollout pauses.
    The background run alone would not do: a pause step ends by its clock, whatever was measured.
    """
    window = config.long_window_s if rule.long else config.window_s
    early = window - min(config.holds_s, default=0.0)
    looks = max(1, math.ceil(config.step_timeout_s / config.interval_s))
    delay = {"initialDelay": duration(early)} if early > 0 and not rule.by_pod else {}
    return (
        _metric(rule, config)
        | delay
        | {
            "interval": duration(config.interval_s),
            "count": looks + 1,
            "consecutiveSuccessLimit": 1,
            "failureLimit": 0,
            "inconclusiveLimit": looks,
        }
    )
