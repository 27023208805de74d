"""karpenter/: machines within the budget, interruptions survived, and a queue that covers what a training asks for."""

from __future__ import annotations

import json

import pytest
from helm_python import HelmError

from steps.contract.config import load_config

from .one_chart import OneChart, refusals
from .rendered import ENVIRONMENTS, ROOT, environment_files, merged, read_values, render

CHART = ROOT / "karpenter"
CLOUD = ("staging", "production")
BUILT_IN = {"PriorityClass"}
OURS = OneChart(CHART, "karpenter", "kube-system")
objects = OURS.objects


def pools(found):
    return {name.removeprefix("ctp-"): manifest["spec"] for (kind, name), manifest in found.items() if kind == "NodePool"}


def requirement(pool, key):
    found = [item["values"] for item in pool["template"]["spec"]["requirements"] if item["key"] == key]
    return found[0] if found else []


def quotas(found):
    flavors = found["ClusterQueue", "ctp-train"]["spec"]["resourceGroups"][0]["flavors"]
    return {flavor["name"]: {item["name"]: item["nominalQuota"] for item in flavor["resources"]} for flavor in flavors}


@pytest.fixture(params=CLOUD)
def environment(request):
    return request.param


@pytest.fixture
def found(environment):
    return objects(environment)


# ---- form ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more", [{}, {"capacity": "on-demand"}, {"capacity": "reserved", "reservations": [{"tags": {"purpose": "ctp"}}]}], ids=json.dumps
)
def test_every_object_is_one_that_the_api_server_takes(environment, more):
    found = objects(environment, {"karpenter": {"pools": {"train": more}}})
    assert refusals(found) == []
    assert len([kind for kind, _ in found if kind not in BUILT_IN]) == 14


def test_helm_lint_finds_nothing(environment):
    assert OURS.complaints(environment) == []


def test_kind_has_no_machines_of_its_own():
    assert objects("kind") == {}


def test_one_resource_a_file_named_by_its_kind():
    found = render(CHART, read_values(environment_files("production")), "karpenter", "kube-system")
    for file, manifests in found.items():
        if manifests:
            assert len(manifests) == 1 and file.startswith(f"templates/{manifests[0]['kind'].lower()}-")


# ---- machines -----------------------------------------------------------------------------


def test_the_budget_is_24_gpus_in_production_and_the_queue_admits_no_more():
    found = objects("production")
    assert pools(found)["train"]["limits"] == {"nvidia.com/gpu": 24}
    assert quotas(found)["p5en"]["nvidia.com/gpu"] == "24"
    assert quotas(found)["p5en"]["vpc.amazonaws.com/efa"] == "48"


def test_pool_and_queue_move_together():
    for nodes in (1, 5):
        found = objects("production", {"karpenter": {"pools": {"train": {"nodes": nodes}}}})
        assert pools(found)["train"]["limits"]["nvidia.com/gpu"] == 8 * nodes == int(quotas(found)["p5en"]["nvidia.com/gpu"])


def test_training_stays_in_one_zone_on_machines_that_nothing_voluntary_ends(found):
    pool = pools(found)["train"]
    assert requirement(pool, "node.kubernetes.io/instance-type") == ["p5en.48xlarge"]
    assert requirement(pool, "karpenter.sh/capacity-type") == ["spot"]
    assert len(requirement(pool, "topology.kubernetes.io/zone")) == 1
    assert pool["template"]["spec"]["expireAfter"] == "Never"
    assert {"key": "nvidia.com/gpu", "value": "true", "effect": "NoSchedule"} in pool["template"]["spec"]["taints"]
    assert pool["template"]["metadata"]["labels"]["ctp.dev/pool"] == "train"
    blocked = [budget["reasons"] for budget in pool["disruption"]["budgets"] if budget["nodes"] == "0"]
    assert blocked == [["Drifted", "Underutilized"]]
    assert found["EC2NodeClass", "ctp-train"]["spec"]["instanceStorePolicy"] == "RAID0"


def test_only_reserved_capacity_selects_a_reservation():
    node_class = objects("production")["EC2NodeClass", "ctp-train"]["spec"]
    assert "capacityReservationSelectorTerms" not in node_class
    block = {"capacity": "reserved", "reservations": [{"id": "cr-0123456789abcdef0"}]}
    found = objects("production", {"karpenter": {"pools": {"train": block}}})
    assert requirement(pools(found)["train"], "karpenter.sh/capacity-type") == ["reserved"]
    assert found["EC2NodeClass", "ctp-train"]["spec"]["capacityReservationSelectorTerms"] == block["reservations"]


def test_every_node_is_pinned_encrypted_and_keeps_its_role_from_pods(found):
    for (kind, name), manifest in found.items():
        if kind != "EC2NodeClass":
            continue
        spec = manifest["spec"]
        assert [list(term) for term in spec["amiSelectorTerms"]] == [["alias"]] and "latest" not in spec["amiSelectorTerms"][0]["alias"]
        assert spec["metadataOptions"]["httpTokens"] == "required" and spec["metadataOptions"]["httpPutResponseHopLimit"] == 1
        assert all(mapping["ebs"]["encrypted"] for mapping in spec["blockDeviceMappings"]), name
        assert ("role" in spec) != ("instanceProfile" in spec)


def test_every_pool_has_a_limit_and_a_class_that_exists(found):
    for name, pool in pools(found).items():
        assert pool["limits"], f"{name} may grow without end"
        assert ("EC2NodeClass", pool["template"]["spec"]["nodeClassRef"]["name"]) in found
        assert pool["template"]["metadata"]["labels"]["ctp.dev/pool"] == name


def test_gpu_pools_bear_the_taint_and_the_others_do_not(found):
    tainted = {
        name for name, pool in pools(found).items() if any(t["key"] == "nvidia.com/gpu" for t in pool["template"]["spec"].get("taints", []))
    }
    assert tainted == {"judge", "gate", "serve", "train"}


def test_users_and_the_ray_head_are_not_on_spot(found):
    for name in ("serve", "head"):
        assert requirement(pools(found)[name], "karpenter.sh/capacity-type") == ["on-demand"]


def test_spot_comes_with_a_queue_that_tells_of_interruptions(environment, found):
    spot = [name for name, pool in pools(found).items() if "spot" in requirement(pool, "karpenter.sh/capacity-type")]
    assert spot
    assert read_values(environment_files(environment))["karpenter"]["interruptionQueue"]


# ---- agreement with prices and trainings ------------------------------------------------------


def test_pools_offer_the_machines_whose_prices_are_known(environment, found):
    cost = load_config(ROOT / "charts" / "environments" / environment / "values.yaml").cost
    for work, machine in cost.machines.items():
        assert machine.instance in requirement(pools(found)[work], "node.kubernetes.io/instance-type"), work
    offered = {kind for pool in pools(found).values() for kind in requirement(pool, "node.kubernetes.io/instance-type")}
    assert offered <= set(cost.instances), "a machine without a price"


def test_an_estimate_is_never_below_what_a_pool_may_pay(environment, found):
    """A price of Spot for a pool that may take on-demand machines would let a training past the ceiling."""
    cost = load_config(ROOT / "charts" / "environments" / environment / "values.yaml").cost
    for work, machine in cost.machines.items():
        if machine.capacity != "on-demand":
            assert requirement(pools(found)[work], "karpenter.sh/capacity-type") == [machine.capacity], work


def test_a_training_of_the_configured_size_fits(environment, found):
    cost = load_config(ROOT / "charts" / "environments" / environment / "values.yaml").cost
    assert cost.train_gpus <= int(quotas(found)["p5en"]["nvidia.com/gpu"])
    machine = cost.instances[cost.machines["train"].instance]
    train = merged(read_values([CHART / "values.yaml"]), read_values(environment_files(environment)))["karpenter"]["pools"]["train"]
    assert machine.gpus == train["gpusPerNode"]
    assert train["allocatable"]["cpu"] < machine.vcpus and train["allocatable"]["memory"] < machine.memory_gib


def test_a_ray_job_of_the_workflows_is_admitted_and_finds_its_nodes(environment, found):
    from workflows.environment import load_environment

    env = load_environment(environment)
    nemo, sizes = env.workflows.nemo, env.pipeline.train.nemo
    values = merged(read_values([CHART / "values.yaml"]), read_values(environment_files(environment)))["karpenter"]["pools"]
    assert nemo.queue == found["LocalQueue", "ctp-train"]["metadata"]["name"]
    assert ("PriorityClass", nemo.priority_class) in found and ("WorkloadPriorityClass", nemo.priority_class) in found
    assert sizes.nodes <= values["train"]["nodes"] and sizes.gpus_per_node == values["train"]["gpusPerNode"]
    assert nemo.efa <= values["train"]["efaPerNode"]
    for pod, pool in ((nemo.head, "head"), (nemo.worker, "train")):
        assert (
            int(pod.cpu) <= values[pool]["allocatable"]["cpu"]
            and int(pod.memory.removesuffix("Gi")) <= values[pool]["allocatable"]["memory"]
        )
        template = pools(found)[pool]["template"]
        assert dict(pod.node_selector).items() <= template["metadata"]["labels"].items()
        assert {taint["key"] for taint in template["spec"]["taints"]} <= {toleration.key for toleration in pod.tolerations}


# ---- the queue ----------------------------------------------------------------------------


def test_the_queue_covers_every_resource_with_every_flavor(found):
    group = found["ClusterQueue", "ctp-train"]["spec"]["resourceGroups"][0]
    assert set(group["coveredResources"]) == {"cpu", "memory", "nvidia.com/gpu", "vpc.amazonaws.com/efa", "ephemeral-storage"}
    for name, flavor in quotas(found).items():
        assert list(flavor) == group["coveredResources"], f"{name}: the same order, or the API server refuses it"
        assert ("ResourceFlavor", name) in found


def test_a_flavor_leads_to_a_pool_and_bears_its_taints(found):
    for (kind, name), manifest in found.items():
        if kind == "ResourceFlavor":
            pool = pools(found)[manifest["spec"]["nodeLabels"]["ctp.dev/pool"]]
            borne = {toleration["key"] for toleration in manifest["spec"]["tolerations"]}
            assert {taint["key"] for taint in pool["template"]["spec"]["taints"]} <= borne, name


def test_the_queue_is_where_the_workflows_are(found):
    from workflows.environment import Workflows

    namespace = Workflows.model_fields["namespace"].default
    queue = found["LocalQueue", "ctp-train"]
    assert queue["metadata"]["namespace"] == namespace
    assert queue["spec"]["clusterQueue"] == "ctp-train"
    assert found["ClusterQueue", "ctp-train"]["spec"]["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": namespace}


# ---- values -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "broken",
    [
        {"amiAlias": "al2023@latest"},
        {"clusterName": ""},
        {"nodeRole": ""},
        {"pools": {"train": {"zone": ""}}},
        {"pools": {"train": {"zone": "us-east-1"}}},
        {"pools": {"train": {"capacity": "cheap"}}},
        {"pools": {"train": {"capacity": "reserved"}}},
        {"pools": {"train": {"limits": {"nvidia.com/gpu": 64}}}},
        {"pools": {"judges": {}}},
    ],
    ids=json.dumps,
)
def test_wrong_values_are_refused(broken):
    with pytest.raises(HelmError):
        objects("production", {"karpenter": broken})


def test_environments_are_those_of_the_repository():
    assert set(CLOUD) | {"kind"} == set(ENVIRONMENTS)
