"""Every alert fires in its scenario and is silent in the healthy one; every recording rule gives data. Real promtool, real Prometheus."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.manifests.rendered import PIN, ROOT, environment_files, merged, read_values, render
from workflows.environment import RENDERINGS

from .alerts import SCENARIOS, Scenario
from .observed import changed, healthy
from .prometheus import missing

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())


def rule_files(environment: str, folder: Path, interval: str = "") -> dict[str, Path]:
    """Name of a PrometheusRule -> its groups as Prometheus reads them."""
    values = merged(read_values(environment_files(environment)), PIN)
    found = {}
    for manifests in render(ROOT / "charts" / "observability", values, "observability", "monitoring").values():
        for manifest in manifests:
            if manifest["kind"] == "PrometheusRule":
                groups = manifest["spec"]["groups"]
                if interval:
                    groups = [group | {"interval": interval} for group in groups]
                name = manifest["metadata"]["name"].removeprefix("ctp-")
                found[name] = folder / f"{name}.yaml"
                found[name].write_text(yaml.safe_dump({"groups": groups}, sort_keys=False), encoding="utf-8")
    return found


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return rule_files("production", tmp_path_factory.mktemp("rules"))


def rules(files: dict[str, Path]) -> list[dict[str, Any]]:
    documents = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in files.values()]
    return [rule for document in documents for group in document["groups"] for rule in group["rules"]]


def fire(folder: Path, files: dict[str, Path], scenario: Scenario, expected: set[str]) -> str:
    """Let promtool play a scenario; what it has to say against the expected alerts, empty if nothing."""
    samples = int(scenario.minutes * 60 // scenario.step_s) + 2
    look = f"{int(scenario.minutes * 60)}s"
    chosen = [str(path) for name, path in files.items() if not scenario.files or name in scenario.files]
    asked = {
        "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
        "eval_time": look,
        "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(expected)],
    }
    series = [one.written(samples, scenario.step_s) for one in changed(healthy(0.0, 1.0), scenario.changes)]
    step = f"{scenario.step_s:g}s"
    document = {
        "rule_files": chosen,
        "evaluation_interval": step,
        "tests": [{"interval": step, "input_series": series, "promql_expr_test": [asked]}],
    }
    path = folder / "test.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    done = subprocess.run(["promtool", "test", "rules", str(path)], capture_output=True, text=True, timeout=120)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.parametrize("environment", RENDERINGS["eks"])
def test_prometheus_takes_every_rule(environment, tmp_path):
    found = rule_files(environment, tmp_path)
    done = subprocess.run(["promtool", "check", "rules", *map(str, found.values())], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_scenario(files):
    assert {rule["alert"] for rule in rules(files) if "alert" in rule} == set(SCENARIOS)


@pytest.mark.parametrize("minutes", [5, 120])
def test_nothing_fires_while_all_is_well(files, tmp_path, minutes):
    assert fire(tmp_path, files, Scenario([], minutes), set()) == ""


@pytest.mark.parametrize("alert", SCENARIOS)
def test_an_alert_fires_in_its_scenario(files, tmp_path, alert):
    scenario = SCENARIOS[alert]
    assert fire(tmp_path, files, scenario, {alert, *scenario.also}) == ""


def test_a_controller_that_restarts_does_not_forget(files, tmp_path):
    """Argo's gauges are gone after a restart; a late run is still late, and a fresh one is not."""
    gone = ("argo_workflows_ctp_run_started_timestamp_seconds", {"workflow": "trace-ingest"})
    assert fire(tmp_path, files, Scenario([(*gone, {"values": "-200000x5 _x60"})], 60), {"CtpRunLate"}) == ""
    assert fire(tmp_path, files, Scenario([(*gone, {"values": "-10x5 _x60"})], 60), set()) == ""


def test_last_months_bill_is_not_this_months(files, tmp_path):
    over = ("argo_workflows_ctp_month_cost_usd", {}, {"value": 5000.0})
    assert fire(tmp_path, files, Scenario([over]), {"CtpBudgetSpent"}) == ""
    assert fire(tmp_path, files, Scenario([over, ("argo_workflows_ctp_cost_month", {}, {"value": 12.0})]), set()) == ""


def test_a_refused_candidate_of_long_ago_is_silent(files, tmp_path):
    late = ("argo_workflows_ctp_run_started_timestamp_seconds", {"workflow": "continuous-training", "status": "Failed"}, {"value": -7000.0})
    assert fire(tmp_path, files, Scenario([late], 30), set()) == ""


def test_every_recording_rule_gives_data(observed, files):
    empty = {rule["record"] for rule in rules(files) if "record" in rule and not observed.values(rule["record"], None)}
    assert empty == set()


def test_every_rule_evaluates_in_a_real_prometheus(observed):
    with urllib.request.urlopen(f"{observed.url}/api/v1/rules", timeout=10) as answer:
        groups = json.load(answer)["data"]["groups"]
    health = {rule["name"]: (rule["health"], rule.get("lastError", "")) for group in groups for rule in group["rules"]}
    assert health and {name: said for name, said in health.items() if said[0] != "ok"} == {}


def test_prices_are_those_of_the_configuration(observed):
    from steps.contract.config import load_config

    cost = load_config(ROOT / "charts" / "environments" / "production" / "values.yaml").cost
    shown = {
        (labels["instance_type"], labels["capacity_type"]): value
        for labels, value in observed.vector("ctp:instance_price_usd_per_hour", None)
    }
    kinds = ("on-demand", "spot", "reserved")
    assert shown == {(name, kind): pytest.approx(item.usd_an_hour(kind)) for name, item in cost.instances.items() for kind in kinds}
    machine = next(name for name, item in cost.instances.items() if item.gpus == 8)
    hourly = observed.values("sum(ctp:gpu_cost_usd_per_hour)", None)[0]
    assert hourly == pytest.approx(cost.instances[machine].usd_an_hour("spot"))
