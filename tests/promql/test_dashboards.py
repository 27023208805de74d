"""Every query of every dashboard, as an environment gets it, returns data in a real Prometheus."""

from __future__ import annotations

import json
import re
from functools import cache

import pytest

from tests.manifests.rendered import PIN, ROOT, environment_files, merged, read_values, render

from .observed import CANARY, JUDGES, STABLE
from .prometheus import QueryError, missing

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())
# What a person sees chosen, or has typed.
CHOSEN = {
    "stable_cluster": STABLE,
    "canary_cluster": CANARY,
    "stable_hash": "aaa",
    "canary_hash": "bbb",
    "judge": JUDGES["reward-judge"],
    "value_usd": "1000",
    "months": "3",
}
GRAFANA = {"__rate_interval": "1m", "__range": "5m", "__interval": "15s"}
NAMES = ("loop", "canary", "judges", "cost", "rights")


@cache
def dashboards(environment: str) -> dict[str, dict]:
    values = merged(read_values(environment_files(environment)), PIN)
    found = {}
    for manifests in render(ROOT / "charts" / "observability", values, "observability", "monitoring").values():
        for manifest in manifests:
            if manifest["kind"] == "ConfigMap":
                found |= {name.removeprefix("ctp-").removesuffix(".json"): json.loads(text) for name, text in manifest["data"].items()}
    return found


def filled(query: str) -> str:
    """The query with every variable.

    Raises:
        KeyError: nobody defines one.
    """
    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda match: (CHOSEN | GRAFANA)[match[1] or match[2]], query)


def queries(dashboard: dict) -> list[tuple[str, str]]:
    return [(panel["title"], target["expr"]) for panel in dashboard["panels"] for target in panel.get("targets", [])]


@pytest.mark.parametrize("name", NAMES)
def test_every_query_returns_data(observed, name):
    asked = [(title, expr) for title, expr in queries(dashboards("production")[name]) if not title.startswith(("Analysis", "Alerts"))]
    assert len(asked) >= 9
    empty = [f"{title}: {expr}" for title, expr in asked if not observed.vector(filled(expr), None)]
    assert empty == []


def test_alerts_are_shown(observed):
    """None fires here, so the query is asked for the pending ones, too."""
    expr = next(expr for title, expr in queries(dashboards("production")["loop"]) if title == "Alerts")
    observed.vector(filled(expr), None)
    assert 'alertstate="firing"' in expr


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_each_analysis_has_its_own_panel(observed, environment):
    from steps.canary.promql import ARGUMENTS, query
    from steps.canary.rules import rules_of
    from steps.contract.config import load_config

    config = load_config(ROOT / "charts" / "environments" / environment / "values.yaml").canary
    panels = {panel["title"]: panel for panel in dashboards(environment)["canary"]["panels"]}
    analyses = {f"Analysis {rule.name}": rule for question in config.questions for rule in rules_of(question)}
    assert {title for title in panels if title.startswith("Analysis")} == analyses.keys()
    for title, rule in analyses.items():
        expr = panels[title]["targets"][0]["expr"]
        wanted = query(rule, config)
        for argument in ARGUMENTS:
            wanted = wanted.replace(f"{{{{args.{argument}}}}}", f"${argument.replace('-', '_')}")
        assert expr == wanted
        limits = [step["value"] for step in panels[title]["fieldConfig"]["defaults"]["thresholds"]["steps"]]
        assert [value for value in limits if value is not None] == [pytest.approx(rule.limit(config))]
        # Hours of samples are not here: the answer may be empty, but it is an answer, and its measured part is a number.
        observed.vector(filled(expr), None)
        assert observed.vector(filled(expr.partition("\nand ")[0]), None), expr


@pytest.mark.parametrize("name", NAMES)
def test_every_variable_is_defined_and_gives_a_value(observed, name):
    dashboard = dashboards("production")[name]
    defined = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    used = {match[0] or match[1] for _, expr in queries(dashboard) for match in re.findall(r"\$(?:\{(\w+)\}|(\w+))", expr)}
    assert used - set(GRAFANA) <= set(defined) and "datasource" in defined
    for variable in defined.values():
        if variable["type"] == "query":
            text = variable["query"]["query"]
            found = re.fullmatch(r"label_values\((.+), (\w+)\)|query_result\((.+)\)", text)
            assert found is not None, text
            series = observed.vector(filled(found[1] or found[3]), None)
            if found[2]:
                assert CHOSEN[variable["name"]] in {labels.get(found[2]) for labels, _ in series}
            else:
                assert [labels["pod_template_hash"] for labels, _ in series] == [CHOSEN[variable["name"]]]


def test_the_return_is_what_its_note_says(observed):
    """(1000 dollars a month times 3) over 800 dollars, less one."""
    expr = next(expr for title, expr in queries(dashboards("production")["cost"]) if title.startswith("Return"))
    assert observed.values(filled(expr), None) == [pytest.approx(1000 * 3 / 800 - 1)]


def test_a_query_that_is_wrong_is_noticed(observed):
    with pytest.raises(QueryError):
        observed.vector("sum(", None)
    with pytest.raises(KeyError):
        filled('up{x="$nobody"}')
