"""The page's drawings: which values of a record go into which chart, in two widths."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from markupsafe import Markup

from steps.laptop.report import charts, numbers, stages
from steps.laptop.report.record import CanaryPoint, MetricRecord, RunReport
from steps.laptop.report.svg import tag
from steps.laptop.report.timeline import canary_timeline

WIDE, HALF, THIRD, PHONE = 1000, 484, 312, 340
POINTS = 160
"""Points of a line; more are thinned evenly, which the eye cannot see at these widths."""
_CURVES = ("loss", "rewards/accuracies", "rewards/margins", "reward", "kl", "grad_norm")
"""Training curves shown first, most telling first."""
_SKIPPED_CURVES = ("step", "epoch", "learning_rate")
MAX_CURVES = 6


def _two_widths(draw: Callable[[int], Markup], wide: int = WIDE) -> Markup:
    """One chart for desktops and paper, one for phones; the style sheet shows the one that fits."""
    return tag("div", draw(wide), class_="wide") + tag("div", draw(PHONE), class_="narrow")


def thin(rows: Sequence[Any], limit: int = POINTS) -> list[Any]:
    """At most `limit` rows, evenly spaced, first and last kept."""
    if len(rows) <= limit:
        return list(rows)
    return [rows[round(index * (len(rows) - 1) / (limit - 1))] for index in range(limit)]


def thin_timeline(points: Sequence[CanaryPoint], limit: int = POINTS) -> list[CanaryPoint]:
    """Like `thin`, but a point with an event or a new weight always stays."""
    points = sorted(points, key=lambda point: point.t_s)
    kept = {id(point) for point in thin(points, limit)}
    kept |= {id(after) for before, after in itertools.pairwise(points) if before.weight != after.weight}
    return [point for point in points if id(point) in kept or point.event]


def _effect(name: str, metric: MetricRecord) -> charts.Effect:
    """One metric of the gate as a row of the forest plot."""
    low, high = metric.ci95 or (None, None)
    sign = 1 if metric.better == "higher" else -1
    bounds = sorted(sign * bound for bound in (low, high) if bound is not None)
    sure_good, sure_bad = len(bounds) == 2 and bounds[0] > 0, len(bounds) == 2 and bounds[1] < 0
    note = f"{numbers.score(metric.champion)} → {numbers.score(metric.candidate)}  ({numbers.signed(metric.delta)})"
    label = stages.title_of(name) + ("" if metric.better == "higher" else " (lower is better)")
    return charts.Effect(label, metric.delta, low, high, tone="good" if sure_good else "bad" if sure_bad else "base-line", note=note)


class Drawings:
    """Every chart of the page, drawn when the template asks for it."""

    def __init__(self, record: RunReport) -> None:
        self._record = record

    def intake(self) -> Markup:
        """How many traces were read, stopped by what, and kept."""
        ingest = self._record.ingest
        if ingest is None:
            return charts.nothing("Traces")
        gates = ingest.by_gate
        stops = [
            charts.Bar("No consent", gates.consent, "bad"),
            charts.Bar("Personal data", gates.pii, "bad"),
            charts.Bar("Region not allowed", gates.region, "bad"),
            charts.Bar("Too confidential", gates.confidentiality, "bad"),
        ]
        rows = [charts.Bar("Traces read", ingest.read, "base-line")]
        if ingest.duplicates is not None:
            rows.append(charts.Bar("Known already", ingest.duplicates, "base-line"))
        rows += [*stops, charts.Bar("Unreadable rows", ingest.quarantined, "warn"), charts.Bar("Kept", ingest.written, "good")]
        rows = [charts.Bar(row.label, row.value, row.tone, self._share(row.value)) for row in rows]
        return _two_widths(lambda width: charts.bars("Traces read, stopped and kept", rows, width))

    def _share(self, value: float | None) -> str:
        """A share of the traces read, left out where it says nothing."""
        read = self._record.ingest.read if self._record.ingest else 0
        return numbers.percent(value / read) if value and read and value != read else ""

    def scores(self) -> Markup:
        """Distribution of the final reward."""
        label = self._record.label
        if label is None:
            return charts.nothing("Reward")
        return _two_widths(lambda width: charts.histogram("Distribution of the reward", label.histogram, width, 220, mean=label.mean_score))

    def components(self) -> list[tuple[str, Markup]]:
        """Distribution of each component of the reward."""
        label = self._record.label
        counts_of = label.components if label else {}
        return [
            (stages.title_of(name), charts.histogram(stages.title_of(name), counts, THIRD, 150, tone="base-line"))
            for name, counts in counts_of.items()
        ]

    def curves(self) -> list[tuple[str, Markup]]:
        """Training curves, one small chart a number."""
        rows = thin(self._record.train.curves) if self._record.train else []
        names = list(dict.fromkeys(name for row in rows for name in row if name not in _SKIPPED_CURVES))
        names.sort(key=lambda name: _CURVES.index(name) if name in _CURVES else len(_CURVES))
        all_series = (
            charts.Series(stages.title_of(name), tuple((float(row["step"] or 0), row.get(name)) for row in rows)) for name in names
        )
        drawn = [series for series in all_series if charts.extent([series])][:MAX_CURVES]
        return [(series.name, charts.lines(series.name, [series], THIRD, 180, x_name="optimizer step")) for series in drawn]

    def effects(self) -> Markup:
        """Score metrics of the gate as differences with intervals."""
        gate = self._record.gate
        rows = [_effect(name, metric) for name, metric in gate.metrics.items() if metric.unit == "score"] if gate else []
        return _two_widths(lambda width: charts.forest("Candidate minus champion with 95 % intervals", rows, width))

    def canary(self) -> Markup:
        """Weight, share and faithfulness over time."""
        points = thin_timeline(self._record.canary.timeline) if self._record.canary else []
        return _two_widths(lambda width: canary_timeline(points, width))

    def health(self) -> list[tuple[str, Markup]]:
        """Latency and errors of live traffic."""
        points = thin_timeline(self._record.canary.timeline) if self._record.canary else []
        stable = charts.Series("stable", tuple((point.t_s, point.p99_stable_ms) for point in points), "base-line")
        canary = charts.Series("canary", tuple((point.t_s, point.p99_canary_ms) for point in points))
        errors = charts.Series("errors", tuple((point.t_s, _hundred(point.error_ratio_canary)) for point in points))
        plots = [("p99 latency in milliseconds", [stable, canary], None), ("Errors of the canary, % of requests", [errors], 1.0)]
        return [(title, _over_time(title, series, ceiling)) for title, series, ceiling in plots if charts.extent(series)]


def _over_time(title: str, series: list[charts.Series], ceiling: float | None) -> Markup:
    """Lines over the seconds of the canary, from zero."""
    return _two_widths(lambda width: charts.lines(title, series, width, x_name="seconds", start=0, floor=0, ceiling=ceiling), HALF)


def _hundred(ratio: float | None) -> float | None:
    return None if ratio is None else ratio * 100
