"""charts/root-app: every part once, in order, from pinned versions, inside its project."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from helm_python import HelmError, lint

from workflows.environment import RENDERINGS, Workflows

from .rendered import (
    CHARTS,
    CLUSTER_SCOPED,
    ENVIRONMENTS,
    LIBRARY,
    ROOT,
    ROOT_APP,
    environment_files,
    merged,
    objects,
    read_values,
    root_app,
)
from .versions import pins

VALUES = yaml.safe_load((ROOT / ROOT_APP / "values.yaml").read_text(encoding="utf-8"))
THIRD_PARTY = ROOT / ROOT_APP / "third-party"


def applications(environment):
    return {item.name: item.manifest for item in root_app(environment) if item.kind == "Application"}


def projects(environment):
    return {item.name: item.manifest["spec"] for item in root_app(environment) if item.kind == "AppProject"}


def wave(manifest):
    return int(manifest["metadata"].get("annotations", {}).get("argocd.argoproj.io/sync-wave", 0))


def sources(application):
    spec = application["spec"]
    return spec.get("sources") or [spec["source"]]


def test_every_chart_of_ours_is_installed():
    named = {entry["path"] for entry in VALUES["rootApp"]["own"].values() if not entry.get("directory")}
    assert named | {ROOT_APP} == set(CHARTS)
    here = {str(path.parent.relative_to(ROOT)) for pattern in ("*/Chart.yaml", "charts/*/Chart.yaml") for path in ROOT.glob(pattern)}
    here -= {LIBRARY}
    assert here <= set(CHARTS), f"{here - set(CHARTS)} is in no Application"
    assert set(CHARTS) <= here, f"{set(CHARTS) - here} is not there"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_helm_lint_finds_nothing(environment):
    values = merged(read_values(environment_files(environment)), {"rootApp": {"requireDigests": False}})
    report = lint(str(ROOT / ROOT_APP), values, strict=True, namespace="argocd")
    assert not report["errors"]
    assert [message for message in report["messages"] if message["severity"] > 1] == []


# ---- versions ---------------------------------------------------------------------------------


def test_versions_env_is_the_only_place_of_a_version():
    text = (ROOT / ROOT_APP / "values.yaml").read_text(encoding="utf-8")
    files = [text, *(path.read_text(encoding="utf-8") for path in THIRD_PARTY.glob("*.yaml"))]
    for file in files:
        assert not re.search(r"\bv?[0-9]+\.[0-9]+\.[0-9]+\b", re.sub(r"#.*", "", file))
    assert (ROOT / ROOT_APP / "versions.env").resolve() == ROOT / "versions.env"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_third_party_comes_in_the_pinned_version(environment):
    made = applications(environment)
    for name, entry in VALUES["rootApp"]["thirdParty"].items():
        if name in made:
            source = sources(made[name])[-1]
            assert source["targetRevision"] == pins()[entry["version"]]
            assert re.fullmatch(r"v?[0-9]+\.[0-9]+\.[0-9]+", source["targetRevision"]), (
                f"{name}: {source['targetRevision']} is no full version"
            )


def test_every_pinned_chart_is_used():
    used = {entry["version"] for entry in VALUES["rootApp"]["thirdParty"].values()}
    assert {key for key in pins() if key.endswith("_CHART_VERSION")} <= used


def test_application_versions_reach_the_charts_that_ship_another():
    made = applications("production")
    given = {name: sources(made[name])[-1]["helm"]["valuesObject"] for name in ("argo-workflows", "argo-rollouts", "argo-cd")}
    assert given["argo-workflows"]["images"]["tag"] == pins()["ARGO_WORKFLOWS_VERSION"]
    assert given["argo-cd"]["global"]["image"]["tag"] == pins()["ARGO_CD_VERSION"]
    assert given["argo-rollouts"]["controller"]["image"]["tag"] == pins()["ARGO_ROLLOUTS_VERSION"]
    plugin = given["argo-rollouts"]["controller"]["initContainers"][0]
    assert plugin["image"].endswith(f":{pins()['ROLLOUTS_GATEWAY_PLUGIN_VERSION']}")
    ours = yaml.safe_load((THIRD_PARTY / "argo-rollouts.yaml").read_text(encoding="utf-8"))["controller"]
    assert ours["trafficRouterPlugins"] == [
        {"name": "argoproj-labs/gatewayAPI", "location": f"file:///plugins/{plugin['command'][1].split('/')[-1]}"}
    ]
    assert {mount["name"] for mount in (*plugin["volumeMounts"], *ours["volumeMounts"])} == {volume["name"] for volume in ours["volumes"]}


def test_every_third_party_chart_has_our_values_and_no_file_is_left_over():
    with_chart = {name for name, entry in VALUES["rootApp"]["thirdParty"].items() if "chart" in entry}
    assert {path.stem for path in THIRD_PARTY.glob("*.yaml")} == with_chart


def test_a_version_that_is_not_pinned_is_refused():
    with pytest.raises(HelmError, match=r"versions\.env has no KEDDA_VERSION"):
        root_app("production", more={"rootApp": {"thirdParty": {"keda": {"version": "KEDDA_VERSION"}}}})


# ---- order ------------------------------------------------------------------------------------


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_definitions_come_before_controllers_before_what_they_read(environment):
    made = {name: wave(manifest) for name, manifest in applications(environment).items()}
    needs = {
        "argo-workflows": ["argo-workflows-crds"],
        "kgateway-controller": ["kgateway-crds", "gateway-api-crds"],
        "kserve": ["kserve-crd", "cert-manager"],
        "karpenter-controller": ["karpenter-crd"],
        "karpenter": ["karpenter-controller", "kueue"],
        "kube-prometheus-stack": ["prometheus-operator-crds", "external-secrets"],
        "kgateway": ["kgateway-controller", "gateway-api-crds", "keda"],
        "judge": ["kserve", "keda", "karpenter", "kgateway", "nvidia-device-plugin"],
        "workflows": ["argo-workflows", "pipeline", "kuberay-operator", "kueue"],
        "observability": ["kube-prometheus-stack"],
        "rollouts": ["argo-rollouts", "kgateway", "kube-prometheus-stack", "keda"],
    }
    for name, before in needs.items():
        for other in before:
            if name in made and other in made:
                assert made[other] < made[name], f"{other} (wave {made[other]}) must be there before {name} (wave {made[name]})"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_nothing_waits_for_a_canary(environment):
    """An Application that holds the Rollout stays unhealthy for hours: no wave may follow it, inside its Application neither."""
    made = applications(environment)
    last = max(wave(manifest) for manifest in made.values())
    assert wave(made["rollouts"]) == last
    assert {name for name, manifest in made.items() if wave(manifest) == last} == {"rollouts", "root-app"}
    inside = [item for item in objects(environment) if item.application == "rollouts"]
    rollout = [item for item in inside if item.kind == "Rollout"]
    assert all(wave(item.manifest) < wave(rollout[0].manifest) for item in inside if item not in rollout) if rollout else not inside
    assert not [item for item in inside if "argocd.argoproj.io/hook" in item.manifest["metadata"].get("annotations", {})]


# ---- how it syncs -----------------------------------------------------------------------------


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_application_syncs_safely(environment):
    for name, manifest in applications(environment).items():
        policy = manifest["spec"]["syncPolicy"]
        options = policy["syncOptions"]
        assert policy["automated"] == {"prune": True, "selfHeal": True}
        assert "ApplyOutOfSyncOnly=true" in options
        # It pre-patches with whole live arrays: an edit of a route's rules in Git would never arrive.
        assert not [option for option in options if option.startswith("RespectIgnoreDifferences")], name
        assert policy["retry"]["refresh"] is True
        assert not [option for option in options if option.startswith(("Replace", "Force"))]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_no_application_differs_from_what_argo_cd_keeps_of_it(environment):
    """Argo CD drops a directory block that says its defaults: root-app would be OutOfSync for ever and heal itself in a loop."""
    for name, manifest in applications(environment).items():
        for source in sources(manifest):
            assert "directory" not in source or source["directory"].get("recurse"), name


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_finalizers_have_a_path(environment):
    """The API server warns of one without at every apply; `/foreground` is what Argo CD does for the bare name."""
    for name, manifest in applications(environment).items():
        assert all("/" in finalizer for finalizer in manifest["metadata"].get("finalizers", [])), name


def test_definitions_stay_when_their_application_goes():
    made = {**applications("kind"), **applications("production")}
    for name, entry in VALUES["rootApp"]["thirdParty"].items():
        finalizers = made[name]["metadata"].get("finalizers", [])
        assert bool(finalizers) != bool(entry.get("keep")), name
        assert not name.endswith(("-crd", "-crds")) or entry.get("keep"), f"{name}: with a definition go all objects of it"
        assert "ServerSideApply=true" in made[name]["spec"]["syncPolicy"]["syncOptions"]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_what_controllers_change_is_no_difference(environment):
    made = applications(environment)
    route = {entry["kind"]: entry for entry in made["kgateway"]["spec"]["ignoreDifferences"]}["HTTPRoute"]
    assert ".spec.rules[].backendRefs[].weight" in route["jqPathExpressions"]
    entries = {entry["kind"]: entry["jsonPointers"] for entry in made["rollouts"]["spec"]["ignoreDifferences"]}
    assert entries == {"Service": ["/spec/selector/rollouts-pod-template-hash"], "Rollout": ["/spec/replicas"]}


def test_the_store_of_amp_is_a_value():
    given = {"rootApp": {"amp": {"remoteWriteUrl": "https://aps-workspaces.us-east-1.amazonaws.com/workspaces/ws-1/api/v1/remote_write"}}}
    with pytest.raises(HelmError, match=r"rootApp\.amp\.region"):
        root_app("production", more=given)
    given["rootApp"]["amp"]["region"] = "us-east-1"
    made = {item.name: item.manifest for item in root_app("production", more=given)}
    spec = sources(made["kube-prometheus-stack"])[-1]["helm"]["valuesObject"]["prometheus"]["prometheusSpec"]
    assert spec["remoteWrite"] == [{"url": given["rootApp"]["amp"]["remoteWriteUrl"], "sigv4": {"region": "us-east-1"}}]
    assert "valuesObject" not in sources(applications("production")["kube-prometheus-stack"])[-1]["helm"]


# ---- sources and projects ---------------------------------------------------------------------


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_paths_and_value_files_exist(environment):
    missing = set()
    for manifest in applications(environment).values():
        for source in sources(manifest):
            ours = manifest["spec"]["project"] != "ctp-platform"
            if ours and not (ROOT / source["path"]).is_dir():
                missing.add(source["path"])
            for file in source.get("helm", {}).get("valueFiles", []):
                path = ROOT / file.replace("$values/", "").removeprefix("/")
                missing |= set() if path.is_file() else {str(path.relative_to(ROOT))}
    assert not missing


@pytest.mark.parametrize("rendering", RENDERINGS)
def test_every_environment_takes_the_workflows_that_were_rendered_for_it(rendering):
    for environment in RENDERINGS[rendering]:
        source = applications(environment)["workflows"]["spec"]["source"]
        assert source["path"] == f"workflows/rendered/{rendering}"
    assert sorted(path.name for path in (ROOT / "workflows" / "rendered").iterdir()) == sorted(RENDERINGS)


def kind_of(manifest):
    return {"group": manifest["apiVersion"].rpartition("/")[0], "kind": manifest["kind"]}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_project_admits_every_object_of_ours(environment):
    project = projects(environment)["ctp"]
    destinations = {place["namespace"] for place in project["destinations"]}
    for item in objects(environment):
        if item.application == "root-app":
            continue
        listed = "clusterResourceWhitelist" if item.kind in CLUSTER_SCOPED else "namespaceResourceWhitelist"
        assert kind_of(item.manifest) in project[listed], f"{item}: add it to rootApp.projects.own"
        assert item.kind in CLUSTER_SCOPED or item.namespace in destinations, f"{item}: the project does not admit its namespace"


def test_the_project_admits_nothing_that_is_not_there():
    project = projects("production")["ctp"]
    made = [kind_of(item.manifest) for environment in ENVIRONMENTS for item in objects(environment)]
    unused = [kind for kind in (*project["clusterResourceWhitelist"], *project["namespaceResourceWhitelist"]) if kind not in made]
    assert not unused, f"nothing of ours is a {unused}: take it out of rootApp.projects.own"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_projects_are_locked(environment):
    made, given = applications(environment), projects(environment)
    assert set(given) == {"ctp", "ctp-platform", "ctp-root"}
    for name, project in given.items():
        assert "*" not in json.dumps(project), f"{name} has a wildcard"
    for name, manifest in made.items():
        project = given[manifest["spec"]["project"]]
        assert manifest["spec"]["destination"] in project["destinations"], name
        assert {source["repoURL"] for source in sources(manifest)} <= set(project["sourceRepos"]), name
    repos = {source["repoURL"] for manifest in made.values() for source in sources(manifest)}
    assert {repo for project in given.values() for repo in project["sourceRepos"]} == repos
    kinds = {entry["kind"] for entry in given["ctp-root"]["namespaceResourceWhitelist"]}
    assert kinds == {"Application", "AppProject"} | (set() if environment == "kind" else {"ExternalSecret"})


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_kind_has_no_part_of_aws(environment):
    names = set(applications(environment))
    of_aws = {"karpenter", "karpenter-controller", "karpenter-crd", "efa-device-plugin", "nvidia-device-plugin", "external-secrets"}
    assert (names & of_aws) == (set() if environment == "kind" else of_aws)


def test_namespaces_agree_with_their_owners():
    assert VALUES["workflows"]["namespace"] == Workflows.model_fields["namespace"].default
    chart = ROOT / "rollouts" / "values.yaml"
    if chart.is_file():
        assert yaml.safe_load(chart.read_text(encoding="utf-8"))["serving"]["namespace"] == VALUES["serving"]["namespace"]


# ---- values -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "broken",
    [
        {"environment": ""},
        {"repo": {"url": "file:///tmp/x"}},
        {"repo": {"branch": "main"}},
        {"thirdParty": {"keda": {"version": "2.20.2"}}},
        {"thirdParty": {"keda": {"enabeld": False}}},
        {"thirdParty": {"new": {"repo": "x"}}},
        {"own": {"rolouts": {"enabled": False}}},
        {"sync": {"retry": {"firstWait": "soon"}}},
        {"projects": {"own": {"clusterKinds": [{"group": "*", "kind": "*"}]}}},
    ],
    ids=json.dumps,
)
def test_wrong_values_are_refused(broken):
    with pytest.raises(HelmError):
        root_app("production", more={"rootApp": broken})
