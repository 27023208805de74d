"""Health checks that Argo CD runs in Lua: every script, on what its controller really writes."""

from __future__ import annotations

import pytest
import yaml

from . import crds
from .rendered import ENVIRONMENTS, ROOT, objects

PREFIX = "resource.customizations.health."
SETTINGS = yaml.safe_load((ROOT / "charts" / "root-app" / "third-party" / "argo-cd.yaml").read_text(encoding="utf-8"))["configs"]["cm"]
SCRIPTS = {key.removeprefix(PREFIX): text for key, text in SETTINGS.items() if key.startswith(PREFIX)}
# Argo CD 3.5 has its own for these (resource_customizations and gitops-engine); a script of ours would replace it.
BUILT_IN = {
    ("argoproj.io", "AnalysisRun"),
    ("argoproj.io", "CronWorkflow"),
    ("argoproj.io", "Rollout"),
    ("argoproj.io", "Workflow"),
    ("external-secrets.io", "ExternalSecret"),
    ("gateway.networking.k8s.io", "Gateway"),
    ("gateway.networking.k8s.io", "HTTPRoute"),
    ("karpenter.k8s.aws", "EC2NodeClass"),
    ("karpenter.sh", "NodePool"),
    ("keda.sh", "ScaledJob"),
    ("keda.sh", "ScaledObject"),
    ("serving.kserve.io", "InferenceService"),
}
# Without a state of their own: there as soon as they are applied.
STATELESS = {
    ("argoproj.io", "AnalysisTemplate"),
    ("argoproj.io", "AppProject"),
    ("argoproj.io", "WorkflowEventBinding"),
    ("argoproj.io", "WorkflowTemplate"),
    ("external-secrets.io", "ClusterSecretStore"),
    ("external-secrets.io", "SecretStore"),
    ("gateway.kgateway.dev", "GatewayParameters"),
    ("gateway.networking.k8s.io", "ReferenceGrant"),
    ("keda.sh", "TriggerAuthentication"),
    ("kueue.x-k8s.io", "ResourceFlavor"),
    ("kueue.x-k8s.io", "WorkloadPriorityClass"),
    ("monitoring.coreos.com", "PodMonitor"),
    ("monitoring.coreos.com", "PrometheusRule"),
    ("monitoring.coreos.com", "ServiceMonitor"),
    ("serving.kserve.io", "ServingRuntime"),
}


def condition(kind, status="True", message="said"):
    return {"type": kind, "status": status, "message": message, "reason": "Reason"}


def conditions(*found):
    return {"status": {"conditions": list(found)}}


def ancestors(*found):
    return {"status": {"ancestors": [{"ancestorRef": {"name": "inference-gateway"}, "conditions": list(found)}]}}


def application(health=None, sync="Synced", phase="Succeeded", message=None):
    status = {"sync": {"status": sync}, "operationState": {"phase": phase, "message": "one or more objects failed"}}
    return {"status": {**status, **({"health": {"status": health, "message": message}} if health else {})}}


POLICIES = ("gateway.kgateway.dev_BackendConfigPolicy", "gateway.kgateway.dev_ListenerPolicy", "gateway.kgateway.dev_TrafficPolicy")
CASES = [
    ("argoproj.io_Application", application("Healthy"), "Healthy"),
    ("argoproj.io_Application", application("Progressing"), "Progressing"),
    ("argoproj.io_Application", application("Suspended"), "Suspended"),
    ("argoproj.io_Application", application("Degraded", message="a pod crashes"), "Degraded"),
    ("argoproj.io_Application", application("Missing"), "Progressing"),
    ("argoproj.io_Application", application("Healthy", phase="Failed"), "Degraded"),
    ("argoproj.io_Application", application("Healthy", phase="Error"), "Degraded"),
    # Its old version is healthy, the new one is not applied yet.
    ("argoproj.io_Application", application("Healthy", sync="OutOfSync", phase="Running"), "Progressing"),
    ("argoproj.io_Application", {"status": {"sync": {"status": "OutOfSync"}, "health": {"status": "Healthy"}}}, "Progressing"),
    ("argoproj.io_Application", application(), "Progressing"),
    ("ray.io_RayJob", {"status": {"jobStatus": "SUCCEEDED", "jobDeploymentStatus": "Complete"}}, "Healthy"),
    ("ray.io_RayJob", {"status": {"jobStatus": "RUNNING", "jobDeploymentStatus": "Running"}}, "Progressing"),
    ("ray.io_RayJob", {"status": {"jobStatus": "FAILED", "jobDeploymentStatus": "Retrying"}}, "Progressing"),
    ("ray.io_RayJob", {"status": {"jobStatus": "FAILED", "jobDeploymentStatus": "Failed", "message": "exit 1"}}, "Degraded"),
    ("ray.io_RayJob", {"status": {"jobStatus": "STOPPED", "jobDeploymentStatus": "Complete"}}, "Degraded"),
    ("ray.io_RayJob", {"status": {"jobStatus": "", "jobDeploymentStatus": "ValidationFailed"}}, "Degraded"),
    ("ray.io_RayJob", {"status": {"jobDeploymentStatus": "Suspended"}}, "Suspended"),
    ("ray.io_RayCluster", {"status": {"state": "ready"}}, "Healthy"),
    ("ray.io_RayCluster", {"status": {"state": "failed", "reason": "no pods"}}, "Degraded"),
    ("ray.io_RayCluster", conditions(condition("ReplicaFailure")), "Degraded"),
    ("ray.io_RayCluster", {"spec": {"suspend": True}, "status": {"state": "suspended"}}, "Suspended"),
    ("ray.io_RayCluster", {"spec": {}, "status": {"state": ""}}, "Progressing"),
    ("kueue.x-k8s.io_Workload", conditions(condition("QuotaReserved")), "Progressing"),
    ("kueue.x-k8s.io_Workload", conditions(condition("QuotaReserved", "False")), "Progressing"),
    ("kueue.x-k8s.io_Workload", conditions(condition("QuotaReserved"), condition("Admitted")), "Healthy"),
    ("kueue.x-k8s.io_Workload", conditions(condition("Admitted"), condition("PodsReady", "False")), "Healthy"),
    ("kueue.x-k8s.io_Workload", conditions(condition("Admitted", "False"), condition("Evicted")), "Degraded"),
    ("kueue.x-k8s.io_Workload", conditions(condition("Finished"), condition("Evicted", "False")), "Healthy"),
    ("kueue.x-k8s.io_ClusterQueue", conditions(condition("Active")), "Healthy"),
    ("kueue.x-k8s.io_ClusterQueue", conditions(condition("Active", "False", "flavor p5en is not there")), "Degraded"),
    ("kueue.x-k8s.io_LocalQueue", conditions(condition("Active")), "Healthy"),
    ("kueue.x-k8s.io_LocalQueue", conditions(condition("Active", "False")), "Degraded"),
    *[(kind, ancestors(condition("Accepted"), condition("Attached")), "Healthy") for kind in POLICIES],
    *[(kind, ancestors(condition("Accepted", "False", "no such route")), "Degraded") for kind in POLICIES],
    *[(kind, ancestors(condition("Accepted"), condition("Attached", "False")), "Degraded") for kind in POLICIES],
    *[(kind, ancestors(), "Progressing") for kind in POLICIES],
    ("gateway.kgateway.dev_Backend", conditions(condition("Accepted")), "Healthy"),
    ("gateway.kgateway.dev_Backend", conditions(condition("Accepted", "False")), "Degraded"),
    ("gateway.kgateway.dev_GatewayExtension", conditions(condition("Accepted")), "Healthy"),
    ("gateway.kgateway.dev_GatewayExtension", conditions(condition("Accepted", "False")), "Degraded"),
]


def health(script, manifest):
    """As Argo CD runs it: the object in the global `obj`, arrays as Lua tables from 1, the returned table as the answer."""
    from lupa.lua51 import LuaRuntime

    runtime = LuaRuntime(register_eval=False, unpack_returned_tuples=True)

    def lua(value):
        if isinstance(value, dict):
            return runtime.table_from({key: lua(found) for key, found in value.items() if found is not None})
        return runtime.table_from([lua(found) for found in value]) if isinstance(value, list) else value

    runtime.globals().obj = lua(manifest)
    answer = runtime.execute(script)
    return answer.status, answer.message


@pytest.mark.parametrize(
    ("kind", "manifest", "wanted"), CASES, ids=[f"{kind}-{wanted}-{number}" for number, (kind, _, wanted) in enumerate(CASES)]
)
def test_health(kind, manifest, wanted):
    status, message = health(SCRIPTS[kind], {"kind": kind.rpartition("_")[2], "metadata": {"name": "x"}, **manifest})
    assert status == wanted
    assert isinstance(message, str)
    assert message or status != "Degraded", "a bad state says why"


@pytest.mark.parametrize("kind", SCRIPTS)
@pytest.mark.parametrize("manifest", [{}, {"status": {}}, {"spec": {}, "status": {"conditions": [], "ancestors": []}}])
def test_an_object_without_status_is_not_healthy_yet(kind, manifest):
    assert health(SCRIPTS[kind], manifest)[0] == "Progressing"


@pytest.mark.parametrize("kind", SCRIPTS)
def test_every_script_can_say_good_and_bad(kind):
    said = {wanted for case, _, wanted in CASES if case == kind}
    assert {"Healthy", "Degraded"} <= said


def test_every_script_is_of_a_kind_that_exists():
    for key in SCRIPTS:
        group, _, kind = key.partition("_")
        assert (group, kind) in crds.defined(), f"{key}: no such kind"
        assert (group, kind) not in BUILT_IN, f"{key} replaces Argo CD's own"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_custom_resource_has_a_health_or_needs_none(environment):
    for item in objects(environment):
        group = item.manifest["apiVersion"].rpartition("/")[0]
        if crds.schema_of(item.manifest["apiVersion"], item.kind) is not None:
            known = (group, item.kind) in BUILT_IN | STATELESS or f"{group}_{item.kind}" in SCRIPTS
            assert known, f"{item}: Argo CD calls it healthy as soon as it is applied: write a check or say that it needs none"


def test_quantities_of_a_rollout_compare_by_value():
    entry = yaml.safe_load(SETTINGS["resource.customizations.knownTypeFields.argoproj.io_Rollout"])
    assert entry == [{"field": "spec.template.spec", "type": "core/v1/PodSpec"}]
