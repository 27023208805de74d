"""Panels, variables and the grid of a dashboard.

Source:
    Grafana's classic dashboard model, schema version 42: kinds/dashboard/dashboard_kind.cue and the panel
    plugins' own panelcfg.cue of grafana/grafana v12.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

SCHEMA_VERSION = 42
WIDTH = 24
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
Json = dict[str, Any]


class Query(NamedTuple):
    """One PromQL with the name of its series.

    Attributes:
        expr: the query.
        legend: Grafana's format of a series' name; empty: its labels.
        kind: `range` over time, or `instant` for the newest value only.
        form: how the answer is read.
    """

    expr: str
    legend: str = ""
    kind: str = "range"
    form: str = "time_series"


@dataclass
class Panel:
    """A panel before it has a place.

    Attributes:
        kind: Grafana's plugin.
        title: at its head.
        description: what it means, behind the "i".
        queries: lettered A, B, ….
        unit: Grafana's name of the unit.
        width, height: in cells of the grid, of 24 columns.
        limits: (value, colour) from low to high; the first has no value.
        options: of the plugin.
        custom: of the plugin, for each field.
        more: other keys of the panel.
        maximum: of the axis.
    """

    kind: str
    title: str
    description: str
    queries: Sequence[Query] = ()
    unit: str = "short"
    width: int = 8
    height: int = 8
    limits: Sequence[tuple[float | None, str]] = ((None, "green"),)
    options: Json = field(default_factory=dict)
    custom: Json = field(default_factory=dict)
    more: Json = field(default_factory=dict)
    maximum: float | None = None


def _calculated() -> Json:
    return {"calcs": ["lastNotNull"], "fields": "", "values": False}


def stat(title: str, description: str, expr: str, unit: str = "short", legend: str = "", **more: Any) -> Panel:
    """One number, or one a series."""
    options = {"colorMode": "value", "graphMode": "none", "justifyMode": "auto", "orientation": "auto", "textMode": "auto"}
    return Panel(
        "stat",
        title,
        description,
        [Query(expr, legend, "instant")],
        unit,
        options=options | {"reduceOptions": _calculated()},
        **({"width": 6, "height": 5} | more),
    )


def series(title: str, description: str, queries: Iterable[tuple[str, str]], unit: str = "short", **more: Any) -> Panel:
    """Lines over time: (query, legend) each."""
    options = {
        "legend": {"calcs": ["lastNotNull"], "displayMode": "table", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    custom = {"drawStyle": "line", "fillOpacity": 8, "lineWidth": 1, "showPoints": "never", "spanNulls": False}
    drawn = [Query(expr, legend) for expr, legend in queries]
    return Panel("timeseries", title, description, drawn, unit, options=options, **({"custom": custom} | more))


def bars(title: str, description: str, expr: str, legend: str, unit: str = "short", **more: Any) -> Panel:
    """One bar a series."""
    options = {"displayMode": "basic", "orientation": "horizontal", "showUnfilled": True, "valueMode": "color"}
    asked = [Query(expr, legend, "instant")]
    return Panel("bargauge", title, description, asked, unit, options=options | {"reduceOptions": _calculated()}, **more)


def table(title: str, description: str, expr: str, unit: str = "short", hidden: Sequence[str] = (), **more: Any) -> Panel:
    """One row a series, with its labels as columns."""
    organized = {"excludeByName": dict.fromkeys(["Time", *hidden], True), "indexByName": {}, "renameByName": {}}
    return Panel(
        "table",
        title,
        description,
        [Query(expr, "", "instant", "table")],
        unit,
        options={"cellHeight": "sm", "showHeader": True},
        more={"transformations": [{"id": "organize", "options": organized}]},
        **more,
    )


def heatmap(title: str, description: str, expr: str, unit: str, **more: Any) -> Panel:
    """Buckets of a histogram over time."""
    options = {
        "calculate": False,
        "cellGap": 1,
        "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64, "exponent": 0.5, "fill": "dark-orange", "scale": "exponential"},
        "legend": {"show": True},
        "tooltip": {"mode": "single", "showColorScale": False, "yHistogram": False},
        "yAxis": {"axisPlacement": "left", "reverse": False, "unit": unit},
    }
    return Panel("heatmap", title, description, [Query(expr, "{{le}}", "range", "heatmap")], unit, options=options, **more)


def states(title: str, description: str, expr: str, legend: str, **more: Any) -> Panel:
    """What was so when."""
    options = {
        "alignValue": "left",
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "mergeValues": True,
        "rowHeight": 0.8,
        "showValue": "never",
        "tooltip": {"mode": "single", "sort": "none"},
    }
    return Panel("state-timeline", title, description, [Query(expr, legend)], options=options, **more)


def note(title: str, content: str, **more: Any) -> Panel:
    """Words."""
    return Panel("text", title, title, options={"mode": "markdown", "content": content}, **more)


def chosen(name: str, label: str, query: str, regex: str = "", description: str = "") -> Json:
    """A variable whose values a query gives; the first is taken."""
    return {
        "current": {},
        "datasource": SOURCE,
        "definition": query,
        "description": description,
        "hide": 0,
        "includeAll": False,
        "label": label,
        "multi": False,
        "name": name,
        "options": [],
        "query": {"query": query, "refId": f"Variable-{name}"},
        "refresh": 2,
        "regex": regex,
        "skipUrlSync": False,
        "sort": 0,
        "type": "query",
    }


def written(name: str, label: str, value: str, description: str) -> Json:
    """A variable that a person types: an assumption, visible at the top."""
    shown = {"selected": True, "text": value, "value": value}
    return {
        "current": shown,
        "description": description,
        "hide": 0,
        "label": label,
        "name": name,
        "options": [shown],
        "query": value,
        "skipUrlSync": False,
        "type": "textbox",
    }


def _source_variable() -> Json:
    return {
        "current": {},
        "hide": 0,
        "includeAll": False,
        "label": "Data source",
        "multi": False,
        "name": "datasource",
        "options": [],
        "query": "prometheus",
        "refresh": 1,
        "regex": "",
        "skipUrlSync": False,
        "type": "datasource",
    }


def dashboard(
    name: str, title: str, description: str, panels: Sequence[Panel], variables: Sequence[Json] = (), since: str = "now-7d"
) -> Json:
    """The whole: panels in reading order, laid out from left to right."""
    return {
        "annotations": {"list": []},
        "description": description,
        "editable": False,
        "fiscalYearStartMonth": 0,
        "graphTooltip": 1,
        "id": None,
        "links": [
            {
                "asDropdown": True,
                "icon": "external link",
                "includeVars": False,
                "keepTime": True,
                "tags": ["ctp"],
                "targetBlank": False,
                "title": "Continuous training",
                "tooltip": "",
                "type": "dashboards",
                "url": "",
            }
        ],
        "panels": _laid_out(panels),
        "refresh": "1m",
        "schemaVersion": SCHEMA_VERSION,
        "tags": ["ctp"],
        "templating": {"list": [_source_variable(), *variables]},
        "time": {"from": since, "to": "now"},
        "timepicker": {},
        "timezone": "utc",
        "title": title,
        "uid": f"ctp-{name}",
        "version": 1,
        "weekStart": "",
    }


def _laid_out(panels: Sequence[Panel]) -> list[Json]:
    placed, x, y, tallest = [], 0, 0, 0
    for number, panel in enumerate(panels, start=1):
        if x + panel.width > WIDTH:
            x, y, tallest = 0, y + tallest, 0
        placed.append(_panel(panel, number, x, y))
        x, tallest = x + panel.width, max(tallest, panel.height)
    return placed


def _panel(panel: Panel, number: int, x: int, y: int) -> Json:
    made: Json = {
        "description": panel.description,
        "gridPos": {"h": panel.height, "w": panel.width, "x": x, "y": y},
        "id": number,
        "options": panel.options,
        "title": panel.title,
        "type": panel.kind,
    } | panel.more
    if panel.kind == "text":
        return made
    steps = [{"color": colour, "value": value} for value, colour in panel.limits]
    defaults: Json = {"color": {"mode": "palette-classic" if panel.kind == "timeseries" else "thresholds"}, "custom": panel.custom}
    defaults |= {"mappings": [], "thresholds": {"mode": "absolute", "steps": steps}, "unit": panel.unit}
    if panel.maximum is not None:
        defaults |= {"min": 0, "max": panel.maximum}
    return made | {
        "datasource": SOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "targets": [_target(query, "ABCDEFGH"[index]) for index, query in enumerate(panel.queries)],
    }


def _target(query: Query, letter: str) -> Json:
    return {
        "datasource": SOURCE,
        "editorMode": "code",
        "expr": query.expr,
        "format": query.form,
        "instant": query.kind == "instant",
        "legendFormat": query.legend or "__auto",
        "range": query.kind == "range",
        "refId": letter,
    }


def text_of(made: Json) -> str:
    """As JSON, sorted."""
    return json.dumps(made, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
