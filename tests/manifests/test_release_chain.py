"""What a Rollout's end sets off: names that stand in several charts and in the configuration are the same."""

from __future__ import annotations

import pytest
import yaml

from steps.contract.config import load_config

from .conftest import ENVIRONMENTS, NAMESPACE, ROOT, of_environment, values_of


def chart_values(path):
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_reconcile_looks_where_the_rollout_is_and_may(environment):
    values = values_of(environment)
    config = load_config(ROOT / "charts" / "environments" / environment / "values.yaml").release
    served = (values.get("serving") or {}).get("namespace") or chart_values("rollouts/values.yaml")["serving"]["namespace"]
    (role,) = of_environment(environment)["role-rollout-reader.yaml"]
    (binding,) = of_environment(environment)["rolebinding-rollout-reader.yaml"]
    assert config.rollout_namespace == served == role["metadata"]["namespace"] == binding["metadata"]["namespace"]
    allowed = {(resource, verb) for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"]}
    assert allowed == {("rollouts", "get"), ("analysisruns", "list")}
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "ctp-release", "namespace": NAMESPACE}]


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_a_notification_starts_the_template_that_exists(environment):
    (binding,) = of_environment(environment)["workfloweventbinding-release-reconcile.yaml"]
    name = binding["spec"]["submit"]["workflowTemplateRef"]["name"]
    template = yaml.safe_load(
        (ROOT / "workflows" / "rendered" / ("kind" if environment == "kind" else "eks") / f"workflowtemplate-{name}.yaml").read_text(
            encoding="utf-8"
        )
    )
    assert all("value" in parameter for parameter in template["spec"]["arguments"]["parameters"]), "an event gives no parameters"
    (role,) = of_environment(environment)["role-notifier.yaml"]
    (rule,) = [rule for rule in role["rules"] if rule["resources"] == ["workflowtemplates"]]
    assert rule["resourceNames"] == [name]
    sender = chart_values("charts/root-app/third-party/argo-rollouts.yaml")["notifications"]
    body = yaml.safe_load(sender["templates"]["template.ctp-release"])["webhook"]["ctp-release"]
    assert body["path"] == f"/api/v1/events/{NAMESPACE}/{name}" and f'discriminator == "{name}"' in binding["spec"]["event"]["selector"]
    subscribed = {trigger.partition(".") for trigger in values_of(environment)["serving"]["notifications"]}
    for trigger, _, service in subscribed:
        assert f"service.webhook.{service}" in sender["notifiers"] and f"trigger.{trigger}" in sender["triggers"]


def test_where_nobody_notifies_nothing_is_made_for_it():
    kinds = {document["kind"] for found in of_environment("kind").values() for document in found}
    assert "WorkflowEventBinding" not in kinds


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_production_like_environment_reconciles_every_minute(environment):
    path = ROOT / "workflows" / "rendered" / ("kind" if environment == "kind" else "eks") / "cronworkflow-release-reconcile.yaml"
    (schedule,) = yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]["schedules"]
    assert schedule == ("*/10 * * * *" if environment == "kind" else "* * * * *")
    template = yaml.safe_load(path.with_name("workflowtemplate-release-reconcile.yaml").read_text(encoding="utf-8"))
    (at_exit,) = [found for found in template["spec"]["templates"] if found["name"] == "on-exit"]
    assert at_exit["dag"]["tasks"][0]["when"] == "'{{workflow.status}}' != 'Succeeded'", "a success a minute is no news"
