"""Every name in one object is another object's: across all charts and workflows of an environment."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import yaml

from . import references, routes
from .inventory import THIRD_PARTY_SERVICES, inventory
from .rendered import CLUSTER_SCOPED, ENVIRONMENTS, Item, objects, root_app

CHECKS = (
    references.configuration,
    references.permissions,
    references.namespaces,
    references.workflows,
    references.queues,
    references.scaling,
    references.addresses,
    references.selectors,
    routes.parents,
    routes.backends,
    routes.policies,
    routes.rollouts,
    routes.network,
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_name_is_somebody(environment, check):
    found = list(check(inventory(objects(environment))))
    assert not found, "\n".join(found)


def test_third_party_services_are_of_applications_that_are_installed():
    installed = {item.name for environment in ENVIRONMENTS for item in root_app(environment) if item.kind == "Application"}
    assert {application for _, application, _ in THIRD_PARTY_SERVICES.values()} <= installed


# ---- the checks themselves find what is wrong: a small environment, broken in every place ------

GOOD = yaml.safe_load((Path(__file__).parent / "small_environment.yaml").read_text(encoding="utf-8"))
# Nothing names them, so that nothing misses them.
UNNAMED = {"bind", "cron", "rollout", "policy", "scale", "pdb", "pods", "services", "net", "job", "pool"}


def small(changes=(), without=()):
    items = []
    for name, found in GOOD.items():
        if name not in without:
            manifest = copy.deepcopy(found)
            manifest.setdefault("apiVersion", "example.org/v1")
            manifest.setdefault("metadata", {}).setdefault("name", name)
            manifest["metadata"].setdefault("namespace", "x")
            items.append(Item("test", name, manifest))
    for name, path, value in changes:
        place = next(item.manifest for item in items if item.file == name)
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = value
    for item in items:
        if item.kind in CLUSTER_SCOPED:
            item.manifest["metadata"].pop("namespace")
    return [problem for check in CHECKS for problem in check(inventory(items))]


def test_a_whole_environment_has_no_problem():
    assert small() == []


@pytest.mark.parametrize("name", [name for name in GOOD if name not in UNNAMED])
def test_an_object_that_is_missing_is_missed(name):
    assert small(without=[name])


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("cm", ("data", "key"), "http://svc:81"),
        ("cm", ("data", "key"), "http://svc.y:80"),
        ("cm", ("data", "key"), "http://svd.x/v1"),
        ("cm", ("data", "key"), "grpc to svc.x:4317"),
        ("cm", ("data", "key"), "kube_x_svc_8000"),
        ("cm", ("data", "key"), "https://svc.y.svc.cluster.local"),
        ("cm", ("data",), {"other": ""}),
        ("es", ("spec", "data"), [{"secretKey": "other"}]),
        ("svc", ("spec", "selector"), {"app": "b"}),
        ("svc", ("spec", "ports", 0, "targetPort"), "web"),
        ("bind", ("subjects", 0, "namespace"), "y"),
        ("wt", ("spec", "templates", 0, "name"), "other"),
        ("analysis", ("spec", "args"), [{"name": "other"}]),
        ("rollout", ("spec", "strategy", "canary", "stableService"), "other"),
        ("ns", ("metadata", "labels"), {}),
        ("route", ("spec", "parentRefs", 0, "sectionName"), "https"),
        ("route", ("spec", "rules", 0, "backendRefs", 0, "port"), 81),
        ("route", ("spec", "rules", 0, "backendRefs", 0, "namespace"), "y"),
        ("scale", ("spec", "scaleTargetRef", "kind"), "StatefulSet"),
        ("pdb", ("spec", "selector", "matchLabels"), {"app": "b"}),
        ("pods", ("spec", "podMetricsEndpoints", 0, "port"), "metrics"),
        ("pods", ("spec", "selector", "matchLabels"), {"app": "b"}),
        ("services", ("spec", "endpoints", 0, "port"), "metrics"),
        ("net", ("spec", "podSelector", "matchLabels"), {"app": "b"}),
        ("net", ("spec", "egress", 0, "ports", 0, "port"), 8080),
        ("net", ("spec", "egress", 0, "to", 0, "podSelector", "matchLabels"), {"app": "b"}),
        ("pool", ("spec", "template", "metadata", "labels"), {}),
        ("job", ("metadata", "labels", "kueue.x-k8s.io/queue-name"), "other"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_a_name_that_points_nowhere_is_found(name, path, value):
    assert small(changes=[(name, path, value)])
