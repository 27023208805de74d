"""Every rendered object is one that the API server takes: custom resources by their CRD and its rules, the rest by Kubernetes' schemas."""

from __future__ import annotations

import copy
import re
import shutil

import pytest
from helm_python import HelmError

from . import cel, core_schemas, crds
from .rendered import CHARTS, ENVIRONMENTS, PIN, ROOT, ROOT_APP, environment_files, merged, objects, read_values, render
from .versions import pins

# Rules that cel-python cannot evaluate, by their text. One that appears fails the test until it is named here.
NOT_EVALUATED: frozenset[str] = frozenset()
SUPPORTED = (pins()["KUBERNETES_LOWEST"], pins()["KUBERNETES_HIGHEST"])


def schema_of(manifest):
    return crds.schema_of(manifest["apiVersion"], manifest["kind"])


@pytest.mark.parametrize("version", SUPPORTED)
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_objects_of_kubernetes_fit_its_lowest_and_highest_version(environment, version):
    found = []
    for item in objects(environment):
        if schema_of(item.manifest) is None:
            try:
                found += [f"{item}: {problem}" for problem in core_schemas.problems(item.manifest, version)]
            except FileNotFoundError:
                found.append(f"{item}: {item.manifest['apiVersion']} is no kind of Kubernetes {version} and of no CRD")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_custom_resources_fit_their_definition(environment):
    found = [
        f"{item}: {problem}"
        for item in (*objects(environment), *objects(environment, released=False))
        if (schema := schema_of(item.manifest)) is not None
        for problem in crds.problems(item.manifest, schema)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_custom_resources_keep_the_rules_of_their_definition(environment):
    broken, unknown = [], set()
    for item in objects(environment):
        schema = schema_of(item.manifest)
        if schema is not None:
            for verdict in cel.verdicts(crds.with_defaults(item.manifest, schema), schema):
                if not verdict.known:
                    unknown.add(verdict.rule)
                elif not verdict.held:
                    broken.append(f"{item}{verdict.path}: {verdict.why} ({verdict.rule})")
    assert not broken, "\n".join(broken)
    assert unknown <= NOT_EVALUATED, "cel-python cannot say:\n" + "\n".join(sorted(unknown - NOT_EVALUATED))


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_objects_are_small_enough_to_be_applied(environment):
    """The annotation of a client-side apply holds 262,144 bytes; only Applications with server-side apply may hold larger ones."""
    import json

    server_side = {
        item.name
        for item in objects(environment)
        if item.kind == "Application" and "ServerSideApply=true" in item.manifest["spec"]["syncPolicy"]["syncOptions"]
    }
    large = {str(item): len(json.dumps(item.manifest)) for item in objects(environment) if item.application not in server_side}
    assert {name: size for name, size in large.items() if size > 240_000} == {}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_object_is_made_once(environment):
    seen: dict[tuple[str, str, str, str], str] = {}
    for item in objects(environment):
        key = (item.manifest["apiVersion"].rpartition("/")[0], item.kind, item.namespace, item.name)
        assert key not in seen, f"{item} is made by {seen[key]} too"
        seen[key] = item.application


# ---- values: a wrong key in any mapping of any chart ------------------------------------------


# Block of an environment's file -> charts that may refuse it. `pipeline`, `workflows` and `aws` are refused by `make render`.
BLOCKS = {
    "judge": ["charts/judge"],
    "karpenter": ["karpenter"],
    "observability": ["charts/observability"],
    "platform": ["charts/pipeline"],
    "registry": ["charts/registry"],
    "rootApp": [ROOT_APP],
    "serving": ["rollouts", "kgateway"],
    "telemetry": ["charts/telemetry"],
}
WRONG = "zebra"
# Values of others' charts, which have schemas of their own.
FOREIGN = re.compile(r"^rootApp\.thirdParty\.[\w-]+\.values(\.|$)")
GIVEN = merged(merged(read_values(environment_files("production")), PIN), {"rootApp": {"requireDigests": False}})


def mappings(value, path=()):
    if isinstance(value, dict):
        yield path
        for key, inner in value.items():
            yield from mappings(inner, (*path, key))


def refused(charts, values):
    for chart in charts:
        try:
            render(ROOT / chart, values, "x", "model-serving")
        except HelmError:
            return True
    return False


def test_every_chart_has_a_block_of_its_own():
    assert {chart for charts in BLOCKS.values() for chart in charts} == set(CHARTS)


@pytest.mark.parametrize("block", BLOCKS)
def test_a_wrong_key_is_refused_wherever_it_stands(block):
    known = merged({}, {block: GIVEN[block]})
    for chart in BLOCKS[block]:
        known = merged(read_values([ROOT / chart / "values.yaml"]), known)
    assert not refused(BLOCKS[block], GIVEN)
    accepted = []
    for path in mappings(known[block]):
        wrong = {WRONG: 1}
        for key in reversed((block, *path)):
            wrong = {key: wrong}
        where = ".".join((block, *path))
        if not FOREIGN.match(where) and not refused(BLOCKS[block], merged(GIVEN, wrong)):
            accepted.append(where)
    assert not accepted, f"a wrong key passes in {accepted}"


def test_a_block_that_nobody_reads_is_refused():
    """`jugde: {enabled: true}` would leave the judges away."""
    assert refused([ROOT_APP], merged(GIVEN, {WRONG: {"enabled": True}}))


@pytest.mark.parametrize("block", ["pipeline", "workflows"])
def test_a_wrong_key_of_the_steps_is_refused(block, tmp_path):
    from steps.contract.errors import ConfigError
    from workflows.environment import load_environment

    from . import copies

    root = copies.copy(tmp_path)
    known = read_values([root / "charts" / "environments" / "production" / "values.yaml"])[block]
    for path in mappings(known):
        wrong = {WRONG: 1}
        for key in reversed((block, *path)):
            wrong = {key: wrong}
        folder = root / "charts" / "environments" / ".".join((block, *path))
        shutil.copytree(root / "charts" / "environments" / "production", folder)
        copies.changed(root, folder.name, wrong)
        with pytest.raises(ConfigError, match=WRONG):
            load_environment(folder.name, root)


# ---- the checks themselves find what is wrong -------------------------------------------------


HTTP_ROUTE = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "HTTPRoute",
    "metadata": {"name": "x", "namespace": "x"},
    "spec": {
        "parentRefs": [{"name": "gateway"}],
        "rules": [{"matches": [{"path": {"type": "PathPrefix", "value": "/v1"}}], "backendRefs": [{"name": "a", "port": 80}]}],
    },
}
NODE_POOL = {
    "apiVersion": "karpenter.sh/v1",
    "kind": "NodePool",
    "metadata": {"name": "x"},
    "spec": {
        "template": {
            "spec": {
                "nodeClassRef": {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": "x"},
                "requirements": [{"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["spot"]}],
            }
        }
    },
}


def change(manifest, path, value):
    changed = copy.deepcopy(manifest)
    *inner, last = path
    place = changed
    for part in inner:
        place = place[part]
    place[last] = value
    return changed


def said(manifest):
    schema = schema_of(manifest)
    held = cel.verdicts(crds.with_defaults(manifest, schema), schema)
    return [*crds.problems(manifest, schema), *(verdict.rule for verdict in held if not verdict.held)]


@pytest.mark.parametrize(
    ("manifest", "path", "value"),
    [
        (HTTP_ROUTE, ("spec", "rules", 0, "backendRefs", 0, "wieght"), 5),
        (HTTP_ROUTE, ("spec", "rules", 0, "matches", 0, "path", "value"), "v1"),
        (HTTP_ROUTE, ("spec", "rules", 0, "backendRefs", 0), {"name": "a"}),
        (HTTP_ROUTE, ("spec", "rules", 0, "timeouts"), {"request": "1s", "backendRequest": "2s"}),
        (NODE_POOL, ("spec", "template", "spec", "nodeClassRef"), {"name": "x"}),
        (NODE_POOL, ("spec", "template", "spec", "requirements", 0, "values"), []),
        (NODE_POOL, ("spec", "disruption"), {"budgets": [{"nodes": "1", "schedule": "@daily"}], "consolidateAfter": "1m"}),
    ],
    ids=["unknown field", "relative path", "no port", "longer backend timeout", "half a reference", "In of nothing", "schedule alone"],
)
def test_what_the_api_server_refuses_is_found(manifest, path, value):
    assert said(manifest) == []
    assert said(change(manifest, path, value))


@pytest.mark.parametrize("broken", [{"spec": {"ports": [{"port": "http"}]}}, {"spec": {"prots": []}}, {"metadate": {}}])
def test_what_is_no_field_of_kubernetes_is_found(broken):
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"ports": [{"port": 80}]}}
    for version in SUPPORTED:
        assert list(core_schemas.problems(service, version)) == []
        assert list(core_schemas.problems({**service, **broken}, version))


def test_a_version_without_schemas_is_an_error():
    with pytest.raises(LookupError, match=r"1\.3"):
        core_schemas.folder_of("1.3")
