"""Two trainers behind one stage, and the RayJob of one of them."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
import sys

import pytest
import yaml

from steps.contract.catalog import find_step
from steps.contract.errors import ConfigError
from steps.operate.cost.metering import GPUS_ELSEWHERE
from workflows.environment import RENDERINGS, load_environment
from workflows.rayjob import EFA, GPU, PYTHON
from workflows.rayjob_wait import DELETE, SUBMIT, WAIT

from . import dag
from .rendered import ROOT, filled, parameters, references, rendering_of, shared_crds, tasks, templates, workflow_templates
from .test_release import PHASES, decide

# Environments with nodes: their workflows are rendered once, and what the text becomes is theirs.
OFFERED = RENDERINGS["eks"]
LOOPS = [("eks", name) for name in ("continuous-training", "train-and-release")]
BOTH = pytest.mark.parametrize(("environment", "workflow"), LOOPS)
UID, KEY = "4b9f1c9e-6d2a-4b0e-9b0e-0123456789ab", "0123456789abcdef"

EITHER, NEMO_DAG = "train-either", "train-nemo-rl"


def inner(every, *, needed="yes", **ends):
    """Walk the training with NeMo-RL: task -> state. `ends` says how a task ends that does not end well."""

    def end(name, task):
        state = ends.get(name, "Succeeded")
        return state, {"key": KEY, "needed": needed} if name == "prepare" and state == "Succeeded" else {}

    return dag.run(every[NEMO_DAG], end)


def either(every, trainer, *, nemo=None, trl="Succeeded"):
    """Walk the choice: (phase, outputs or None when they cannot be told)."""
    outputs = {}

    def end(name, task):
        state = trl if name == "trl" else dag.phase(every[NEMO_DAG], nemo or inner(every))
        if state == "Succeeded":
            outputs[name] = {output: f"{name}-{output}" for output in find_step("train").all_outputs}
        return state, outputs.get(name, {})

    inputs = {"trainer": trainer}
    states = dag.run(every[EITHER], end, inputs)
    made = {}
    for name, item in parameters(every[EITHER], "outputs").items():
        try:
            made[name] = dag.chosen(item["valueFrom"]["expression"], outputs, inputs)
        except dag.Unresolved:
            return "Failed", states, None
    return dag.phase(every[EITHER], states), states, made


# ---- the choice ---------------------------------------------------------------------------


@BOTH
def test_each_trainer_runs_alone_and_gives_the_same_outputs(environment, workflow):
    every = templates(environment, workflow)
    for trainer, ran, other in (("trl", "trl", "nemo"), ("nemo-rl", "nemo", "trl")):
        phase, states, made = either(every, trainer)
        assert phase == "Succeeded" and states[ran] == "Succeeded" and states[other] == "Skipped"
        assert made == {name: f"{ran}-{name}" for name in find_step("train").all_outputs}
    assert (
        parameters(every["train"], "outputs").keys() == parameters(every[NEMO_DAG], "outputs").keys() == set(find_step("train").all_outputs)
    )


@BOTH
def test_an_unknown_trainer_has_no_outputs_and_ends_the_stage(environment, workflow):
    assert either(templates(environment, workflow), "megatron")[0] == "Failed"


@BOTH
def test_the_choice_reads_what_check_params_wrote(environment, workflow):
    every = templates(environment, workflow)
    given = parameters(tasks(every["main"])["train"], "arguments")["trainer"]["value"]
    assert given == "{{tasks.check-params.outputs.parameters.trainer}}"
    assert set(find_step("check-params").load()[1].model_fields["trainer"].annotation.__args__) == {"trl", "nemo-rl"}
    for template in (every[EITHER], every[NEMO_DAG]):
        for task in tasks(template).values():
            assert "workflow.parameters" not in task.get("when", "")


def test_where_there_are_no_nodes_there_is_no_choice():
    every = templates("kind", "continuous-training")
    assert not {EITHER, NEMO_DAG, SUBMIT, WAIT, DELETE, "nemo-prepare"} & every.keys()
    assert tasks(every["main"])["train"]["template"] == "train"


# ---- the training -------------------------------------------------------------------------


@BOTH
def test_a_training_is_submitted_once_waited_for_and_collected(environment, workflow):
    every = templates(environment, workflow)
    assert set(inner(every).values()) == {"Succeeded"}
    again = inner(every, submit="Failed")
    assert again["collect"] == "Succeeded" and dag.phase(every[NEMO_DAG], again) == "Succeeded", "it had been created before"
    done = inner(every, needed="no")
    assert (done["submit"], done["wait"], done["collect"]) == ("Skipped", "Omitted", "Succeeded"), "no GPU for what exists"
    assert dag.phase(every[NEMO_DAG], done) == "Succeeded"


@BOTH
def test_whatever_fails_there_is_no_candidate(environment, workflow):
    every = templates(environment, workflow)
    for broken in (
        {"prepare": "Failed"},
        {"wait": "Failed"},
        {"submit": "Errored", "wait": "Failed"},
        {"collect": "Failed"},
        {"wait": "Errored"},
    ):
        states = inner(every, **broken)
        assert states["collect"] != "Succeeded" and dag.phase(every[NEMO_DAG], states) == "Failed", broken
        assert either(every, "nemo-rl", nemo=states)[0] == "Failed"


@BOTH
@pytest.mark.parametrize("trainer", ["trl", "nemo-rl"])
def test_no_trainer_brings_a_failed_gate_to_release(environment, workflow, trainer):
    every = templates(environment, workflow)
    outcomes = [either(every, trainer)[0]]
    outcomes += [either(every, trainer, trl="Failed", nemo=inner(every, wait="Failed"))[0]]
    assert outcomes == ["Succeeded", "Failed"]
    for trained, gate, deploy in itertools.product(outcomes, PHASES, ("yes", "no", "yes' == 'yes")):

        def end(name, task, trained=trained, gate=gate, deploy=deploy):
            if name == "train":
                return trained, {}
            if name.startswith("record-"):
                return decide("yes" if name.endswith("train") else deploy, name.removeprefix("record-"))
            if task["template"] == "reject":
                return "Failed", {}
            return "Succeeded", {"phase": gate if name == "gate" else "Successful"}

        states = dag.run(every["main"], end)
        assert (states["release"] == "Succeeded") == (trained == "Succeeded" and gate == "Successful" and deploy == "yes")


@BOTH
def test_the_dataset_that_was_approved_is_the_one_that_is_trained_on(environment, workflow):
    every = templates(environment, workflow)
    for task in ("prepare", "collect"):
        given = {name: item["value"] for name, item in parameters(tasks(every[NEMO_DAG])[task], "arguments").items()}
        assert given["approved-digest"] == "{{inputs.parameters.approved-digest}}" and given["dataset"] == "{{inputs.parameters.dataset}}"
    assert every[NEMO_DAG]["synchronization"]["mutexes"] == [{"name": "ctp-nemo-rl"}]


# ---- Argo's own pods ----------------------------------------------------------------------


@BOTH
def test_resource_templates(environment, workflow):
    every = templates(environment, workflow)
    found = {name: template for name, template in every.items() if "resource" in template}
    assert {name: template["resource"]["action"] for name, template in found.items()} == {SUBMIT: "create", WAIT: "get", DELETE: "delete"}
    for template in found.values():
        assert template["serviceAccountName"] == "ctp-launch" and template["metadata"]["labels"]["app.kubernetes.io/part-of"] == "ctp"
        assert 60 <= template["activeDeadlineSeconds"] <= 7 * 86400
        (container,) = json.loads(template["podSpecPatch"])["containers"]
        assert (
            container["name"] == "main"
            and {"cpu", "memory"} <= container["resources"]["limits"].keys() & container["resources"]["requests"].keys()
        )
        assert "ctp_stage_duration_seconds" in {item["name"] for item in template["metrics"]["prometheus"]}
    submit, wait = every[SUBMIT], every[WAIT]
    assert submit["resource"]["setOwnerReference"] is True and "retryStrategy" not in submit, "another attempt could be another training"
    assert wait["resource"]["successCondition"] == "status.jobStatus == SUCCEEDED"
    assert wait["resource"]["failureCondition"] == "status.jobDeploymentStatus in (Failed, ValidationFailed),status.jobStatus == STOPPED"
    assert "FAILED" not in wait["resource"]["failureCondition"], "another attempt of the RayJob may follow"
    named = [yaml.safe_load(filled(template["resource"]["manifest"], values_of("production"))) for template in found.values()]
    assert len({(item["apiVersion"], item["kind"], item["metadata"]["name"], item["metadata"]["namespace"]) for item in named}) == 1
    assert "retries" not in named[0]["metadata"]["name"]


@BOTH
def test_only_a_lost_pod_waits_again(environment, workflow):
    for name in (WAIT, DELETE):
        rule = templates(environment, workflow)[name]["retryStrategy"]
        assert int(rule["limit"]) == 10 and {"duration", "factor", "cap"} <= rule["backoff"].keys()
        pattern = re.fullmatch(r"lastRetry\.status == 'Error' \|\| lastRetry\.message matches '([^']+)'", rule["expression"])[1]
        assert all(re.search(pattern, message) for message in ("pod deleted", "Evicted", "in response to imminent node shutdown"))
        assert not any(re.search(pattern, message) for message in ("Error (exit code 1): failure condition", "specified deadline"))


@BOTH
def test_a_training_does_not_outlive_its_workflow(environment, workflow):
    every = templates(environment, workflow)
    task = tasks(every["on-exit"])[DELETE]
    assert task["when"] == "'{{workflow.status}}' != 'Succeeded'" and "depends" not in task
    assert DELETE not in {
        item["template"] for name in every if "dag" in every[name] and name != "on-exit" for item in every[name]["dag"]["tasks"]
    }


# ---- the RayJob ---------------------------------------------------------------------------


def rayjob(environment, workflow="continuous-training"):
    return yaml.safe_load(filled(templates(rendering_of(environment), workflow)[SUBMIT]["resource"]["manifest"], values_of(environment)))


def values_of(environment):
    """What Argo puts into the text where the configuration is an environment's."""
    sizes = load_environment(environment).pipeline.train.nemo
    inputs = {"key": KEY, "nodes": sizes.nodes, "gpus-per-node": sizes.gpus_per_node}
    values = {"workflow.uid": UID, "workflow.parameters.config": "ctp-config"}
    return values | {f"inputs.parameters.{name}": str(value) for name, value in inputs.items()}


def pods(job):
    cluster = job["spec"]["rayClusterSpec"]
    return {"head": cluster["headGroupSpec"]["template"], "gpu": cluster["workerGroupSpecs"][0]["template"]}


@pytest.mark.parametrize("environment", OFFERED)
def test_the_crd_takes_it(environment, tmp_path):
    crds = shared_crds()
    if crds is None:
        pytest.skip("no CRDs here: set CTP_SHARED_CRDS to a folder with validate.py")
    shutil.copy(crds / "validate.py", tmp_path)
    (tmp_path / "kuberay").symlink_to(crds / "kuberay")
    path = tmp_path / "rayjob.yaml"
    for job, good in ((rayjob(environment), True), (rayjob(environment) | {"spec": {"entrypont": "x"}}, False)):
        path.write_text(yaml.safe_dump(job))
        done = subprocess.run([sys.executable, str(tmp_path / "validate.py"), str(path)], capture_output=True, text=True, check=False)
        assert (done.returncode == 0 and "OK  " in done.stdout) == good, done.stdout


@pytest.mark.parametrize("environment", OFFERED)
def test_what_kuberay_and_kueue_demand(environment):
    job, nemo = rayjob(environment), load_environment(environment).workflows.nemo
    spec, cluster = job["spec"], job["spec"]["rayClusterSpec"]
    assert len(job["metadata"]["name"]) <= 47 and re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", job["metadata"]["name"])
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == nemo.queue == "ctp-train"
    assert spec["submissionMode"] == "HTTPMode" and spec["shutdownAfterJobFinishes"] is True
    assert "suspend" not in spec and "runtimeEnvYAML" not in spec, "Kueue sets the one, NeMo-RL clashes with the other"
    assert spec["backoffLimit"] == nemo.attempts - 1 >= 1, "a Spot interruption must not end the training"
    assert cluster["rayVersion"] == "2.55.1" and cluster["enableInTreeAutoscaling"] is False
    (group,) = cluster["workerGroupSpecs"]
    sizes = load_environment(environment).pipeline.train.nemo
    assert group["replicas"] == group["minReplicas"] == group["maxReplicas"] == sizes.nodes
    assert isinstance(group["replicas"], int), "the API server takes no text for a number"
    assert group["rayStartParams"]["num-gpus"] == str(sizes.gpus_per_node)
    head = cluster["headGroupSpec"]["rayStartParams"]
    assert head["num-gpus"] == "0" and head["no-monitor"] == "true"
    assert all(params["max-worker-port"] == "11000" for params in (head, group["rayStartParams"])), "11001 and above are vLLM's"
    wait = templates("eks", "continuous-training")[WAIT]["activeDeadlineSeconds"]
    assert wait >= nemo.attempts * nemo.deadline_s


@pytest.mark.parametrize("environment", OFFERED)
def test_what_reaches_rays_shell_is_ours(environment):
    text = templates("eks", "continuous-training")[SUBMIT]["resource"]["manifest"]
    (entrypoint,) = re.findall("entrypoint: (.*)", text)
    assert set(references(entrypoint)) == {"inputs.parameters.key"}
    field = find_step("nemo-prepare").load()[1].model_fields["key"]
    assert field.metadata[0].pattern == "^[0-9a-f]{16}$"
    given = parameters(tasks(templates("eks", "continuous-training")[NEMO_DAG])["submit"], "arguments")["key"]["value"]
    assert given == "{{tasks.prepare.outputs.parameters.key}}"
    assert rayjob(environment)["spec"]["entrypoint"] == f"{PYTHON} -u -m steps.train.nemo.launch /data/ctp/nemo/{KEY}"
    enumerated = parameters(workflow_templates("eks")["continuous-training"]["spec"], "arguments")["config"]["enum"]
    assert set(references(text)) == values_of(environment).keys() and enumerated


@pytest.mark.parametrize("environment", OFFERED)
def test_pods_are_restricted_and_alike(environment):
    flows = load_environment(environment).workflows
    found = pods(rayjob(environment))
    environments = []
    for role, pod in found.items():
        spec = pod["spec"]
        (container,) = spec["containers"]
        assert pod["metadata"]["annotations"]["karpenter.sh/do-not-disrupt"] == "true" and pod["metadata"]["labels"]["ctp.dev/ray"] == role
        assert "app.kubernetes.io/name" not in pod["metadata"]["labels"], "KubeRay's head Service selects by its own"
        assert spec["serviceAccountName"] == "ctp-train" and spec["automountServiceAccountToken"] is False
        assert spec["restartPolicy"] == "Never" and "hostNetwork" not in spec
        security = spec["securityContext"]
        assert security["runAsNonRoot"] is True and security["runAsUser"] == flows.user_id > 0
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "privileged": False,
            # vLLM's workers rewrite files of their own package.
            "readOnlyRootFilesystem": False,
            "runAsNonRoot": True,
        }
        assert container["image"] == flows.nemo.image and "command" not in container, "KubeRay starts Ray"
        assert not any("hostPath" in volume for volume in spec["volumes"])
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert volumes.keys() == mounted.keys() and mounted["shm"] == "/dev/shm" and mounted["data"] == "/data"
        assert volumes["shm"]["emptyDir"]["medium"] == "Memory" and volumes["tmp"]["emptyDir"]["sizeLimit"]
        assert volumes["data"]["persistentVolumeClaim"]["claimName"] == flows.claim
        assert volumes["secrets"]["secret"]["secretName"] == "ctp-train"  # noqa: S105
        environments.append(container["env"])
    assert environments[0] == environments[1], "NeMo-RL copies the driver's over the workers'"
    values = {item["name"]: item["value"] for item in environments[0]}
    assert values["FI_PROVIDER"] == "efa" and values["RAY_memory_monitor_refresh_ms"] == "0"


def gib(quantity):
    return float(re.sub(r"[A-Za-z]+$", "", quantity)) * {"Gi": 1, "Ti": 1024}[quantity[-2:]]


@pytest.mark.parametrize("environment", OFFERED)
def test_pods_ask_for_what_the_queue_and_the_nodes_have(environment):
    """Against charts/../karpenter, which another file of the environment sizes."""
    chart = yaml.safe_load((ROOT / "karpenter" / "values.yaml").read_text(encoding="utf-8"))["karpenter"]["pools"]
    values = yaml.safe_load((ROOT / "charts" / "environments" / environment / "values.yaml").read_text(encoding="utf-8"))
    pools = {name: chart[name] | values["karpenter"].get("pools", {}).get(name, {}) for name in ("head", "train")}
    found, sizes = pods(rayjob(environment)), load_environment(environment).pipeline.train.nemo
    for role, pool in (("head", "head"), ("gpu", "train")):
        (container,) = found[role]["spec"]["containers"]
        asked = container["resources"]["requests"]
        assert asked == container["resources"]["limits"]
        assert float(asked["cpu"]) <= pools[pool]["allocatable"]["cpu"] and gib(asked["memory"]) <= pools[pool]["allocatable"]["memory"]
        shm = next(volume["emptyDir"]["sizeLimit"] for volume in found[role]["spec"]["volumes"] if volume["name"] == "shm")
        assert gib(shm) < gib(asked["memory"])
        assert found[role]["spec"]["nodeSelector"] == {"ctp.dev/pool": pool}
        # Every resource that a pod asks for must be covered by the ClusterQueue.
        assert asked.keys() <= {"cpu", "memory", GPU, EFA}
    asked = found["gpu"]["spec"]["containers"][0]["resources"]["requests"]
    assert (int(asked[GPU]), int(asked[EFA])) == (pools["train"]["gpusPerNode"], pools["train"]["efaPerNode"])
    assert GPU not in found["head"]["spec"]["containers"][0]["resources"]["requests"]
    assert sizes.nodes <= pools["train"]["nodes"] and sizes.gpus_per_node == pools["train"]["gpusPerNode"]
    assert {"key": GPU, "operator": "Exists", "effect": "NoSchedule"} in found["gpu"]["spec"]["tolerations"]
    apart = found["gpu"]["spec"]["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][0]
    assert apart == {"labelSelector": {"matchLabels": {"ctp.dev/ray": "gpu"}}, "topologyKey": "kubernetes.io/hostname"}


# ---- values -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pipeline", "workflows", "said"),
    [
        ("{train: {nemo: {enabled: true}}}", "", "workflows.nemo.image"),
        ("{}", "\n  defaults: {golden: /g, trainer: nemo-rl}", "workflows.defaults.trainer"),
        (
            "{train: {nemo: {dpo: {batch_pairs: 100}}}}",
            "\n  nemo: {image: ghcr.io/a/n:1}",
            "batch_pairs 100 must be a multiple of 24",
        ),
        ("{}", "\n  nemo: {image: ghcr.io/a/n:1, nodes: 3}", "workflows.nemo.nodes"),
    ],
)
def test_values_that_cannot_be_meant(tmp_path, pipeline, workflows, said):
    folder = tmp_path / "charts" / "environments" / "here"
    folder.mkdir(parents=True)
    given = workflows if "defaults" in workflows else f"\n  defaults: {{golden: /g}}{workflows}"
    (folder / "values.yaml").write_text(f"pipeline: {pipeline}\nworkflows:\n  image: ghcr.io/a/b:1{given}\n")
    with pytest.raises(ConfigError, match=re.escape(said)):
        load_environment("here", tmp_path)


@BOTH
def test_its_size_is_what_the_configuration_said_when_the_training_was_prepared(environment, workflow):
    given = {
        name: {key: item["value"] for key, item in parameters(task, "arguments").items()}
        for name, task in tasks(templates(environment, workflow)[NEMO_DAG]).items()
    }
    prepared = "{{{{tasks.prepare.outputs.parameters.{}}}}}"
    assert given["submit"] == {name: prepared.format(name) for name in ("key", "nodes", "gpus-per-node")}
    assert given["wait"] == {"gpus": prepared.format("gpus")}
    metadata = templates(environment, workflow)[WAIT]["metadata"]
    assert metadata["annotations"] == {GPUS_ELSEWHERE: "{{inputs.parameters.gpus}}"}
    assert set(find_step("nemo-prepare").load()[1].model_fields) >= {"nodes", "gpus_per_node", "gpus"}
