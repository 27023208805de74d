"""Image, command, resources, identity, confinement and retry rule of every template of every environment."""

from __future__ import annotations

import re

import pytest

from steps.contract.catalog import ALL_STEPS
from steps.contract.errors import EXIT_TRANSIENT

from .rendered import EVERY_WORKFLOW, RENDERINGS, containers, each_pod, environment_of, templates, workflow_templates

EVERY = list(containers())
# Who may do what: written out here so that a change of a role is seen twice.
ACCOUNTS = {
    "ctp-workflow": {"check-params", "estimate", "approve", "reject", "record-outcome", "cost-review"},
    "ctp-ingest": {"ingest", "backfill", "govern-shard", "govern-commit"},
    "ctp-label": {"label-plan", "label-shard", "label-commit", "curate", "backtest"},
    "ctp-train": {"train", "nemo-prepare", "nemo-collect"},
    "ctp-gate": {"gate"},
    "ctp-registry": {"register", "resolve"},
    "ctp-release": {"release", "reconcile"},
    "ctp-maintenance": {"maintain"},
    "ctp-erase": {"erase"},
}

# What is held while a template works.
MUTEXES = {spec.name: spec.mutex for spec in ALL_STEPS if spec.mutex} | {"train-nemo-rl": "ctp-nemo-rl"}


@each_pod
def test_image_and_command(environment, workflow, template):
    flows = environment_of(environment).workflows
    container = template["container"]
    heavy = template["name"] in ("train", "gate", "nemo-prepare", "nemo-collect")
    wanted = flows.train_image if heavy and flows.train_image else flows.image
    assert container["image"] == wanted and not container["image"].startswith("python")
    assert container["command"] == ["ctp"] and all(isinstance(word, str) for word in container["args"])
    assert not {"sh", "bash", "-c"} & set(container["args"])


@each_pod
def test_resources_are_bounded(environment, workflow, template):
    resources = template["container"]["resources"]
    for kind in ("requests", "limits"):
        assert {"cpu", "memory"} <= resources[kind].keys()
    assert resources["requests"]["memory"] == resources["limits"]["memory"]
    gpus = resources["limits"].get("nvidia.com/gpu")
    assert gpus == resources["requests"].get("nvidia.com/gpu")
    assert (gpus is not None) == (environment != "kind" and template["name"] == "train")
    if gpus is not None or template.get("sidecars"):
        assert {"effect": "NoSchedule", "key": "nvidia.com/gpu", "operator": "Exists"} in template["tolerations"]
        assert template["metadata"]["annotations"]["karpenter.sh/do-not-disrupt"] == "true"
    assert 60 <= template["activeDeadlineSeconds"] <= 7 * 86400


@each_pod
def test_identity(environment, workflow, template):
    account = template["serviceAccountName"]
    assert template["name"] in ACCOUNTS[account]
    assert template["metadata"]["labels"]["app.kubernetes.io/part-of"] == "ctp"
    secret = next(volume["secret"] for volume in template["volumes"] if volume["name"] == "secrets")
    assert secret["secretName"] == account and secret["optional"] is True, "a pod sees the secrets of its own duty only"


@each_pod
def test_confinement(environment, workflow, template):
    security = template["container"]["securityContext"]
    assert security == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
    }
    pod = workflow_templates(environment)[workflow]["spec"]["securityContext"]
    assert pod["runAsNonRoot"] is True and pod["runAsUser"] > 0 and pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["fsGroup"] == pod["runAsUser"]


@each_pod
def test_volumes(environment, workflow, template):
    shared = {volume["name"]: volume for volume in workflow_templates(environment)[workflow]["spec"]["volumes"]}
    own = {volume["name"]: volume for volume in template["volumes"]}
    mounted = {mount["name"]: mount for mount in template["container"]["volumeMounts"]}
    beside = {
        mount["name"] for one in (*template.get("initContainers", ()), *template.get("sidecars", ())) for mount in one["volumeMounts"]
    }
    assert mounted.keys() | beside == shared.keys() | own.keys()
    assert mounted["config"]["mountPath"] == "/etc/ctp" and mounted["config"]["readOnly"] and mounted["data"]["mountPath"] == "/data"
    assert mounted["tmp"]["mountPath"] == "/tmp" and own["tmp"]["emptyDir"]["sizeLimit"]
    assert shared["config"]["configMap"] == {"name": "{{workflow.parameters.config}}", "optional": True}
    assert shared["data"]["persistentVolumeClaim"]["claimName"] == environment_of(environment).workflows.claim
    assert not any("hostPath" in volume for volume in (*shared.values(), *own.values()))


def retried(expression: str, exit_code: int, *, status: str = "Failed", message: str = "") -> bool:
    """The retry expression, evaluated as expr-lang would (`matches` searches)."""
    text = expression.replace("asInt(lastRetry.exitCode)", str(exit_code)).replace("lastRetry.status", repr(status))
    text = re.sub(r"lastRetry\.message matches '([^']*)'", lambda match: str(bool(re.search(match[1], message))), text)
    text = text.replace("||", "or").replace("&&", "and").replace("!(", "not (")
    assert re.fullmatch(r"[\w\s'\[\]().,=-]*", text), text
    return bool(eval(text, {"__builtins__": {}}))


CASES = [
    (EXIT_TRANSIENT, "Failed", "main: Error (exit code 75): Temporary failure: …", True),
    (-1, "Error", "pod deleted", True),
    (-1, "Failed", "Pod was rejected: The node had condition: [DiskPressure].", True),
    (-1, "Failed", "Pod was terminated in response to imminent node shutdown.", True),
    (143, "Failed", "main: Error (exit code 143)", True),
    (137, "Failed", "main: Error (exit code 137)", True),
    (137, "Failed", "main: OOMKilled (exit code 137)", False),
    (143, "Failed", "Pod was active on the node longer than the specified deadline", False),
    (-1, "Failed", "Pod was active on the node longer than the specified deadline", False),
    *((code, "Failed", "main: Error: pod deleted", False) for code in (1, 2, 64, 65, 77, 78, 126, 127, 130)),
]


@each_pod
def test_only_transient_failures_and_lost_pods_are_tried_again(environment, workflow, template):
    if template["name"] == "reject":
        assert "retryStrategy" not in template
        return
    rule = template["retryStrategy"]
    assert 1 <= int(rule["limit"]) <= 20 and "retryPolicy" not in rule, "a policy beside the expression would be asked first"
    assert {"duration", "factor", "cap", "maxDuration"} <= rule["backoff"].keys()
    assert ("affinity" in rule) == (environment != "kind"), "on one node there is no other"
    for code, status, message, expected in CASES:
        assert retried(rule["expression"], code, status=status, message=message) == expected, (code, status, message)


@each_pod
def test_metrics_and_messages(environment, workflow, template):
    metrics = {item["name"]: item for item in template["metrics"]["prometheus"]}
    assert {"ctp_stage_duration_seconds", "ctp_stage_attempts"} <= metrics.keys()
    assert all(item["gauge"]["realtime"] is False for item in metrics.values() if "gauge" in item)
    assert all(item["help"] for item in metrics.values())
    assert ("ctp_train_estimated_cost_usd" in metrics) == (template["name"] == "estimate")
    assert template["container"]["terminationMessagePolicy"] == "FallbackToLogsOnError"


@pytest.mark.parametrize(("environment", "workflow"), EVERY_WORKFLOW)
def test_what_writes_the_lake_or_the_pin_works_alone(environment, workflow):
    for name, template in templates(environment, workflow).items():
        held = [item["name"] for item in template.get("synchronization", {}).get("mutexes", [])]
        assert held == ([MUTEXES[name]] if name in MUTEXES else [])
    assert MUTEXES["govern-commit"] == MUTEXES["label-commit"] == MUTEXES["erase"] == MUTEXES["maintain"]
    assert MUTEXES["release"] == MUTEXES["reconcile"] != MUTEXES["maintain"]


@pytest.mark.parametrize(("environment", "workflow"), EVERY_WORKFLOW)
def test_the_workflow_ends_and_cleans_up(environment, workflow):
    spec = workflow_templates(environment)[workflow]["spec"]
    assert spec["activeDeadlineSeconds"] and spec["podGC"]["strategy"] == "OnPodSuccess" and spec["podGC"]["deleteDelayDuration"]
    assert spec["ttlStrategy"]["secondsAfterFailure"] >= spec["ttlStrategy"]["secondsAfterSuccess"] > 0
    assert templates(environment, workflow)[spec["onExit"]]["dag"]["tasks"][0]["template"] == "record-outcome"
    kept = environment != "kind"
    assert spec.get("archiveLogs", False) is kept and ("artifactGC" in spec) is kept
    assert {"ctp_run_started_timestamp_seconds", "ctp_run_duration_seconds", "ctp_runs"} == {
        item["name"] for item in spec["metrics"]["prometheus"]
    }
    for template in templates(environment, workflow).values():
        assert ("activeDeadlineSeconds" in template) == ("container" in template or "resource" in template), (
            "Argo allows it on leaves; an approval waits as long as the workflow may"
        )


@pytest.mark.parametrize("environment", RENDERINGS)
def test_fan_out_is_bounded_and_retries_one_shard(environment):
    flows = environment_of(environment).workflows
    every = templates(environment, "continuous-training")
    for stage in ("govern", "label"):
        inner = {task["name"]: task for task in every[stage]["dag"]["tasks"]}
        assert every[stage]["parallelism"] == getattr(flows.parallelism, stage)
        assert "withParam" in inner["shard"] and "withParam" not in inner["commit"]
        assert "retryStrategy" in every[f"{stage}-shard"] and "retryStrategy" not in every[stage]
    commit = next(task for task in every["govern"]["dag"]["tasks"] if task["name"] == "commit")
    assert commit["depends"] == "shard.Succeeded || shard.Skipped", "no new file is no shard, and no reason to fail"


def test_every_service_account_is_used():
    rendered = {template["name"] for _, _, template in EVERY}
    assert rendered == {spec.name for spec in ALL_STEPS if spec.account} == set().union(*ACCOUNTS.values())
