"""charts/observability: rules with runbooks, thresholds that stand once, dashboards that Grafana takes."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
import yaml
from helm_python import HelmError, lint

from steps.contract.config import load_config
from workflows.environment import load_environment
from workflows.generate import dashboards
from workflows.generate.files import find_stale

from . import crds
from .rendered import PIN, ROOT, environment_files, merged, read_values, render

CHART = ROOT / "charts" / "observability"
CLOUD = ("staging", "production")
NAMES = {"loop", "canary", "judges", "cost", "rights"}
# Plugins that Grafana 12 brings; `graph`, `singlestat` and `table-old` are gone.
PANELS = {"bargauge", "heatmap", "state-timeline", "stat", "table", "text", "timeseries"}
UNITS = {"short", "none", "s", "ms", "h", "percentunit", "reqps", "currencyUSD"}


@cache
def _rendered(environment, more):
    values = merged(merged(read_values(environment_files(environment)), PIN), json.loads(more))
    found = render(CHART, values, "observability", "monitoring")
    return [manifest for manifests in found.values() for manifest in manifests]


def objects(environment, more=None):
    return _rendered(environment, json.dumps(more or {}))


def rules(environment, more=None):
    """Every rule of an environment."""
    made = [manifest for manifest in objects(environment, more) if manifest["kind"] == "PrometheusRule"]
    return [rule for manifest in made for group in manifest["spec"]["groups"] for rule in group["rules"]]


def alerts(environment, more=None):
    return {rule["alert"]: rule for rule in rules(environment, more) if "alert" in rule}


def boards(environment):
    made = [manifest for manifest in objects(environment) if manifest["kind"] == "ConfigMap"]
    return {manifest["metadata"]["name"].removeprefix("ctp-dashboard-"): json.loads(*manifest["data"].values()) for manifest in made}


@pytest.fixture(params=CLOUD)
def environment(request):
    return request.param


# ---- form ---------------------------------------------------------------------------------


def test_every_custom_resource_is_one_that_the_api_server_takes(environment):
    kinds = set()
    for manifest in objects(environment):
        schema = crds.schema_of(manifest["apiVersion"], manifest["kind"])
        if schema is not None:
            kinds.add(manifest["kind"])
            assert list(crds.problems(manifest, schema)) == [], manifest["metadata"]["name"]
    assert kinds == {"PrometheusRule", "PodMonitor"}


def test_one_resource_a_file_that_is_named_after_it(environment):
    values = merged(read_values(environment_files(environment)), PIN)
    for file, made in render(CHART, values, "observability", "monitoring").items():
        assert len(made) <= 1, file
        for manifest in made:
            assert file.rpartition("/")[2].startswith(manifest["kind"].lower()), file


def test_kind_has_none_of_it():
    assert objects("kind") == []


def test_lint_finds_nothing(environment):
    report = lint(str(CHART), merged(read_values(environment_files(environment)), PIN), strict=True, namespace="monitoring")
    assert not report["errors"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"zebra": 1},
        {"enabled": "yes"},
        {"lateAfterHours": {"zebra": 3}},
        {"gates": {"minRatio": 20}},
        {"budgetWarningRatio": 80},
        {"trainingPending": "soon"},
        {"erasureDays": {"deadline": 0}},
    ],
    ids=str,
)
def test_a_wrong_value_is_refused(wrong):
    with pytest.raises(HelmError, match="observability"):
        objects("production", {"observability": wrong})


def test_defaults_of_other_charts_are_theirs():
    own = read_values([CHART / "values.yaml"])
    serving, judge = (read_values([ROOT / path / "values.yaml"]) for path in ("rollouts", "charts/judge"))
    assert {key: serving["serving"][key] for key in ("name", "namespace", "port")} == {
        key: own["serving"][key] for key in ("name", "namespace", "port")
    }
    assert own["judge"]["scaling"]["waitingPerReplica"] == judge["judge"]["scaling"]["waitingPerReplica"]
    assert {name: model["duties"] for name, model in own["judge"]["models"].items()} == {
        name: model["duties"] for name, model in judge["judge"]["models"].items()
    }
    stack = read_values([ROOT / "charts" / "root-app" / "third-party" / "kube-prometheus-stack.yaml"])
    sidecar = stack["grafana"]["sidecar"]["dashboards"]
    assert (sidecar["label"], sidecar["labelValue"]) == (
        own["observability"]["dashboards"]["label"],
        own["observability"]["dashboards"]["labelValue"],
    )


# ---- rules --------------------------------------------------------------------------------


def test_every_alert_says_what_to_do_first_and_has_a_runbook(environment):
    found = alerts(environment)
    assert len(found) >= 30
    for name, rule in found.items():
        assert name.startswith("Ctp") and rule["labels"]["severity"] in ("warning", "critical")
        told = rule["annotations"]
        assert told.keys() == {"summary", "description", "runbook_url"} and len(told["description"]) > 30
        address, _, page = told["runbook_url"].partition("/blob/main/docs/runbooks/")
        assert address.startswith("https://") and not address.endswith(".git")
        text = (ROOT / "docs" / "runbooks" / page).read_text(encoding="utf-8")
        assert f"`{name}`" in text, f"docs/runbooks/{page} does not name {name}"
        assert "first" in text.lower()


def test_runbooks_name_no_alert_that_is_not_there():
    named = set()
    for page in (ROOT / "docs" / "runbooks").glob("*.md"):
        named |= set(re.findall(r"`(Ctp[A-Z]\w+)`", page.read_text(encoding="utf-8")))
    assert named == alerts("production").keys()


def test_runbooks_that_runbooks_name_are_there():
    for page in (ROOT / "docs" / "runbooks").glob("*.md"):
        for other in re.findall(r"docs/runbooks/([\w-]+\.md)", page.read_text(encoding="utf-8")):
            assert (page.parent / other).is_file(), f"{page.name} names {other}"


@pytest.mark.parametrize(
    ("given", "alert", "said"),
    [
        ({"gate": {"max_judge_drift": 0.0412}}, "CtpJudgeDrift", "0.0309"),
        ({"canary": {"max_faithfulness_drop": 0.01731}}, "CtpQualityFalling", "0.01731"),
        ({"canary": {"min_samples": 1234}}, "CtpQualityFalling", "1234"),
        ({"canary": {"min_requests": 4321}}, "CtpCanaryIdle", "4321"),
        ({"canary": {"holds_s": [100, 200], "step_timeout_s": 50, "weights": [5, 25, 100]}}, "CtpCanarySlow", "450s"),
        ({"model_name": "zebra"}, "CtpQualityNotScored", 'model_name="zebra"'),
    ],
)
def test_a_threshold_of_the_pipeline_reaches_its_alert(given, alert, said):
    rule = alerts("production", {"derived": {"pipeline": given}})[alert]
    assert said in f"{rule['expr']} {rule.get('for')}"
    assert said not in str(alerts("production")[alert])


def test_other_blocks_reach_the_rules():
    more = {"serving": {"namespace": "ns", "name": "zebra", "port": 81}, "judge": {"scaling": {"waitingPerReplica": 7}}}
    found = alerts("production", more)
    assert "kube_ns_zebra-stable_81" in found["CtpStableErrors"]["expr"] and 'name="zebra"' in found["CtpCanaryAborted"]["expr"]
    assert found["CtpJudgeSaturated"]["expr"].endswith("> 28")
    without = {name: {"enabled": False} for name in ("judge", "telemetry")}
    assert not {"CtpJudgeDown", "CtpCollectorAbsent"} & alerts("production", without).keys()


def _longest_pause(schedule):
    """Between two starts of a schedule within three years, in hours."""
    minute, hour, day, month, weekday = schedule.cron.split()

    def holds(field, value):
        return field == "*" or value in {int(part) for part in field.split(",")}

    if minute == "*":
        return 1 / 60
    if minute.startswith("*/"):
        return int(minute[2:]) / 60
    at, starts, period = datetime(2026, 1, 1, int(hour), int(minute), tzinfo=UTC), [], schedule.every_weeks * 7 * 86400
    for _ in range(3 * 366):
        week = int(at.timestamp()) % period // (7 * 86400)
        if holds(day, at.day) and holds(month, at.month) and holds(weekday, (at.weekday() + 1) % 7) and week == schedule.week:
            starts.append(at)
        at += timedelta(days=1)
    return max((after - before).total_seconds() for before, after in zip(starts, starts[1:], strict=False)) / 3600


def test_late_is_later_than_the_schedule(environment):
    schedules = load_environment(environment).workflows.schedules
    values = merged(read_values([CHART / "values.yaml"]), read_values(environment_files(environment)))
    late = values["observability"]["lateAfterHours"]
    assert {name.replace("-", "_") for name in late} == set(type(schedules).model_fields) - {"timezone", "starting_deadline_s", "suspended"}
    for name, hours in late.items():
        pause = _longest_pause(getattr(schedules, name.replace("-", "_")))
        assert pause < hours, f"{name} starts every {pause} h at most and would be late after {hours} h"


# ---- dashboards ---------------------------------------------------------------------------


def test_what_is_committed_is_what_the_code_makes():
    assert find_stale(dashboards.texts(), [dashboards.FOLDER], ROOT) == [], "run `make render`"
    assert set(dashboards.texts()) == {f"{dashboards.FOLDER}/{name}.json" for name in NAMES}


def test_dashboards_reach_grafana(environment):
    assert boards(environment).keys() == NAMES
    for manifest in objects(environment):
        if manifest["kind"] == "ConfigMap":
            assert manifest["metadata"]["labels"]["grafana_dashboard"] == "1"
            assert len(json.dumps(manifest)) < 900_000


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_dashboard_is_of_grafanas_model(environment, name):
    board = boards(environment)[name]
    assert "dashboard" not in board and "spec" not in board and "overwrite" not in board, "an envelope of an API"
    assert board["uid"] == f"ctp-{name}" and len(board["uid"]) <= 40 and board["id"] is None
    assert board["schemaVersion"] >= 41 and board["title"] and board["description"] and board["timezone"] == "utc"
    assert {"annotations", "panels", "refresh", "templating", "time", "tags"} <= board.keys()
    variables = {variable["name"]: variable for variable in board["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource" and variables["datasource"]["query"] == "prometheus"
    for variable in variables.values():
        assert variable["type"] in ("datasource", "query", "textbox") and variable["label"]
        if variable["type"] == "query":
            assert variable["datasource"]["uid"] == "${datasource}" and variable["query"]["refId"]


@pytest.mark.parametrize("name", sorted(NAMES))
def test_panels_are_whole_and_of_this_age(environment, name):
    panels = boards(environment)[name]["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) >= 10
    for panel in panels:
        assert panel["type"] in PANELS and panel["title"] and panel["description"], panel["title"]
        assert not {"thresholds", "yaxes", "xaxis", "legend", "alert", "nullPointMode", "lines"} & panel.keys(), "an old panel's keys"
        if panel["type"] == "text":
            assert panel["options"]["mode"] == "markdown" and panel["options"]["content"]
            continue
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["unit"] in UNITS and panel["fieldConfig"]["overrides"] == []
        steps = defaults["thresholds"]["steps"]
        assert steps[0]["value"] is None and all(step["value"] is not None for step in steps[1:])
        assert panel["targets"] and panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert [target["refId"] for target in panel["targets"]] == list("ABCDEFGH"[: len(panel["targets"])])
        for target in panel["targets"]:
            assert target["expr"] and target["datasource"]["uid"] == "${datasource}" and target["range"] != target["instant"]
            assert "{{args." not in target["expr"] and "@analysis" not in panel["title"]


@pytest.mark.parametrize("name", sorted(NAMES))
def test_panels_do_not_lie_on_each_other(environment, name):
    taken = set()
    for panel in boards(environment)[name]["panels"]:
        place = panel["gridPos"]
        assert place["x"] >= 0 and place["x"] + place["w"] <= 24 and place["w"] > 0 and place["h"] > 0
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells


def test_assumptions_of_the_return_are_variables():
    board = boards("production")["cost"]
    typed = {variable["name"]: variable for variable in board["templating"]["list"] if variable["type"] == "textbox"}
    assert typed.keys() == {"value_usd", "months"}
    for variable in typed.values():
        assert "assumption" in variable["description"].lower() and variable["current"]["value"] == variable["query"]
    shown = [target["expr"] for panel in board["panels"] if panel["title"].startswith("Return") for target in panel["targets"]]
    assert shown and all(f"${name}" in expr for expr in shown for name in typed)


def test_prices_of_the_rules_are_of_the_configuration():
    more = yaml.safe_load("{derived: {pipeline: {cost: {instances: {p5en.48xlarge: {hour_usd: {spot: 12.34}}}}}}}")
    found = [rule for rule in rules("production", more) if rule.get("record") == "ctp:gpu_price_usd_per_hour"]
    mine = {rule["labels"]["capacity_type"]: rule["expr"] for rule in found if rule["labels"]["instance_type"] == "p5en.48xlarge"}
    price = load_config(ROOT / "charts/environments/production/values.yaml").cost.instances["p5en.48xlarge"].gpu_hour_usd("on-demand")
    assert mine == {"spot": "vector(1.5425)", "on-demand": f"vector({price:g})", "reserved": f"vector({price:g})"}
