"""charts/judge: addresses that resolve, scaling that wakes from zero and survives silence, machines that fit."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import yaml
from helm_python import HelmError

from steps.contract.config import load_config

from .one_chart import OneChart, refusals
from .rendered import ROOT, environment_files, read_values, render
from .versions import pins

CHART = ROOT / "charts" / "judge"
CLOUD = ("staging", "production")
MODELS = ("reward-judge", "gate-judge", "embedder")
GIB = 2**30
# Allocatable of a g6.xlarge by Karpenter's instance table, and what daemons of the node ask for.
G6_XLARGE_MIB, DAEMONS_MIB = 14_162, 1_024
OURS = OneChart(CHART, "judge", "model-serving")
objects = OURS.objects


def config_of(environment):
    return load_config(ROOT / "charts" / "environments" / environment / "values.yaml")


def container(found, name):
    return found["InferenceService", name]["spec"]["predictor"]["containers"][0]


def triggers(found, name):
    return {trigger.get("name", trigger["type"]): trigger for trigger in found["ScaledObject", name]["spec"]["triggers"]}


def mib(quantity):
    number, unit = re.fullmatch(r"(\d+)(Mi|Gi)", quantity).groups()
    return int(number) * (1024 if unit == "Gi" else 1)


@pytest.fixture(params=CLOUD)
def environment(request):
    return request.param


@pytest.fixture
def found(environment):
    return objects(environment)


# ---- form ---------------------------------------------------------------------------------


def test_every_object_is_one_that_the_api_server_takes(found):
    assert refusals(found) == []
    assert {kind for kind, _ in found} >= {"InferenceService", "ScaledObject", "PodMonitor"}


def test_helm_lint_finds_nothing(environment):
    assert OURS.complaints(environment) == []


def test_kind_judges_with_its_own_server():
    assert objects("kind") == {}


def test_defaults_shared_with_other_charts_agree():
    from workflows.environment import Schedules, Workflows

    own = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    serving = yaml.safe_load((ROOT / "rollouts" / "values.yaml").read_text(encoding="utf-8"))["serving"]
    assert own["workflows"]["namespace"] == Workflows.model_fields["namespace"].default
    assert own["serving"]["name"] == serving["name"] and own["serving"]["namespace"] == serving["namespace"]
    assert own["serving"]["analysis"]["prometheus"] == serving["analysis"]["prometheus"]
    assert own["judge"]["prewarm"]["timezone"] == Schedules.model_fields["timezone"].default


# ---- addresses and names ---------------------------------------------------------------------


def test_the_configured_urls_are_the_services_that_kserve_makes(environment, found):
    config = config_of(environment)
    urls = {
        "reward-judge": config.reward_judge.base_url,
        "gate-judge": config.gate_judge.base_url,
        "embedder": config.reward_judge.embedding_base_url,
    }
    assert config.gate_judge.embedding_base_url == urls["embedder"]
    for name, url in urls.items():
        namespace = found["InferenceService", name]["metadata"]["namespace"]
        parts = urlsplit(url)
        assert (parts.hostname, parts.port, parts.path) == (f"{name}-predictor.{namespace}", 80, "/v1")
        assert container(found, name)["ports"] == [{"name": "http", "containerPort": 8080, "protocol": "TCP"}], (
            "KServe sends port 80 to the first"
        )
        assert "--port=8080" in container(found, name)["args"]


def test_each_server_answers_to_the_name_that_clients_ask_for(environment, found):
    config = config_of(environment)
    names = {
        "reward-judge": config.reward_judge.model,
        "gate-judge": config.gate_judge.model,
        "embedder": config.reward_judge.embedding_model,
    }
    for name, served in names.items():
        assert f"--served-model-name={served}" in container(found, name)["args"]
        uri = {item["name"]: item["value"] for item in container(found, name)["env"]}["STORAGE_URI"]
        assert uri.endswith(f"/{served}"), "a folder is named as its model"
        assert f'model_name="{served}"' in triggers(found, name)["waiting"]["metadata"]["query"]


def test_gate_and_reward_are_judged_by_different_families(found):
    sources = [found["InferenceService", name]["metadata"]["annotations"]["ctp.dev/source"] for name in ("reward-judge", "gate-judge")]
    assert len({source.partition("/")[0] for source in sources}) == 2


def test_kserve_leaves_replicas_to_the_scaled_object(found):
    for name in MODELS:
        annotations = found["InferenceService", name]["metadata"]["annotations"]
        assert annotations["serving.kserve.io/deploymentMode"] == "Standard"
        assert annotations["serving.kserve.io/autoscalerClass"] == "external"
        scaled = found["ScaledObject", name]
        assert scaled["spec"]["scaleTargetRef"] == {"name": f"{name}-predictor"}
        assert scaled["metadata"]["namespace"] == found["InferenceService", name]["metadata"]["namespace"]


# ---- scaling ------------------------------------------------------------------------------


def test_the_reward_judge_sleeps_outside_labelling(found):
    for name in ("reward-judge", "embedder"):
        assert found["ScaledObject", name]["spec"]["minReplicaCount"] == 0
    assert found["ScaledObject", "reward-judge"]["spec"]["maxReplicaCount"] == 10


def test_an_unanswered_question_holds_the_replicas(found):
    for name in MODELS:
        spec = found["ScaledObject", name]["spec"]
        assert spec["fallback"]["behavior"] == "currentReplicas" and spec["fallback"]["replicas"] != 0
        for trigger in spec["triggers"]:
            if trigger["type"] == "prometheus":
                assert trigger["metadata"]["ignoreNullValues"] == "false" and trigger["metricType"] == "AverageValue"
                assert all(isinstance(value, str) for value in trigger["metadata"].values())


def test_a_canary_wakes_the_gate_judge_only(found):
    for name in MODELS:
        assert ("rollout_info" in triggers(found, name)["demand"]["metadata"]["query"]) == (name == "gate-judge")


def test_every_duty_that_asks_a_judge_is_let_in_and_wakes_it(found):
    rule = found["NetworkPolicy", "judges"]["spec"]["ingress"][0]
    assert rule["ports"] == [{"protocol": "TCP", "port": 8080}]
    assert rule["from"][0]["podSelector"]["matchExpressions"][0]["values"] == ["gate", "label", "train"]
    for name in ("reward-judge", "embedder"):
        assert '"label|train|gate"' in triggers(found, name)["demand"]["metadata"]["query"]


def test_the_label_of_a_duty_is_what_workflow_pods_carry_and_kube_state_metrics_exports():
    rendered = (ROOT / "workflows" / "rendered" / "eks" / "workflowtemplate-reward-label.yaml").read_text(encoding="utf-8")
    assert "app.kubernetes.io/component: label" in rendered
    stack = yaml.safe_load((ROOT / "charts" / "root-app" / "third-party" / "kube-prometheus-stack.yaml").read_text(encoding="utf-8"))
    exported = next(entry for entry in stack["kube-state-metrics"]["metricLabelsAllowlist"] if entry.startswith("pods="))
    assert "app.kubernetes.io/component" in exported


def test_the_judge_is_awake_before_scheduled_labelling_begins(found):
    from workflows.environment import Schedules

    minute, hour, *days = Schedules.model_fields["reward_label"].default.cron.split()
    begins = timedelta(hours=int(hour), minutes=int(minute))
    for name in ("reward-judge", "embedder"):
        cron = triggers(found, name)["cron"]["metadata"]
        times = []
        for key in ("start", "end"):
            at_minute, at_hour, *at_days = cron[key].split()
            assert at_days == days, "the same days"
            times.append(timedelta(hours=int(at_hour), minutes=int(at_minute)))
        assert timedelta(minutes=10) <= begins - times[0] and begins < times[1]


# ---- pods ---------------------------------------------------------------------------------


def test_a_replica_fits_the_smallest_machine_of_its_pool(environment, found):
    cost = config_of(environment).cost
    machine = cost.instances[cost.machines["judge"].instance]
    assert cost.machines["judge"].instance == "g6.xlarge" and machine.memory_gib == 16
    for name in MODELS:
        resources = container(found, name)["resources"]
        assert mib(resources["requests"]["memory"]) + DAEMONS_MIB <= G6_XLARGE_MIB
        assert mib(resources["limits"]["memory"]) <= G6_XLARGE_MIB
        assert float(resources["requests"]["cpu"]) < machine.vcpus
        assert resources["limits"]["nvidia.com/gpu"] == resources["requests"]["nvidia.com/gpu"] == str(machine.gpus)


def test_the_price_of_a_replica_is_the_tables(environment, found):
    cost = config_of(environment).cost
    price = cost.instances[cost.machines["judge"].instance].usd_an_hour("on-demand")
    for name in MODELS:
        assert float(found["InferenceService", name]["metadata"]["annotations"]["ctp.dev/usd-per-replica-hour"]) == price
    dearer = {"derived": {"pipeline": {"cost": {"instances": {"g6.xlarge": {"hour_usd": {"on-demand": 1.5}}}}}}}
    assert objects(environment, dearer)["InferenceService", "embedder"]["metadata"]["annotations"]["ctp.dev/usd-per-replica-hour"] == "1.5"


def test_a_pod_is_restricted_and_has_room_to_write(found):
    for name in MODELS:
        pod = found["InferenceService", name]["spec"]["predictor"]
        server = container(found, name)
        assert server["name"] == "kserve-container"
        assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert server["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        mounted = {mount["name"] for mount in server["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}


def test_a_drain_ends_within_the_two_minutes_that_spot_gives(found):
    for name in MODELS:
        pod, server = found["InferenceService", name]["spec"]["predictor"], container(found, name)
        settle = server["lifecycle"]["preStop"]["sleep"]["seconds"]
        longest = int(next(arg for arg in server["args"] if arg.startswith("--shutdown-timeout=")).partition("=")[2])
        assert settle + longest < pod["terminationGracePeriodSeconds"] <= 120


def test_pods_find_their_pool_and_one_may_leave_at_a_time(environment, found):
    pools = render(ROOT / "karpenter", read_values(environment_files(environment)), "karpenter", "kube-system")
    made = {(item["kind"], item["metadata"]["name"]): item for items in pools.values() for item in items}
    for name in MODELS:
        pod = found["InferenceService", name]["spec"]["predictor"]
        template = made["NodePool", "ctp-judge"]["spec"]["template"]
        assert pod["nodeSelector"].items() <= template["metadata"]["labels"].items()
        assert {taint["key"] for taint in template["spec"]["taints"]} <= {toleration["key"] for toleration in pod["tolerations"]}
        assert ("PriorityClass", pod["priorityClassName"]) in made
        budget = found["PodDisruptionBudget", name]["spec"]
        assert budget["maxUnavailable"] == 1 and budget["selector"]["matchLabels"] == {"app": f"isvc.{name}-predictor"}
    most = sum(found["ScaledObject", name]["spec"]["maxReplicaCount"] for name in MODELS)
    assert most <= made["NodePool", "ctp-judge"]["spec"]["limits"]["nvidia.com/gpu"]


def test_the_image_is_the_one_of_versions_env(found):
    for name in MODELS:
        assert container(found, name)["image"] == f"vllm/vllm-openai:{pins()['VLLM_VERSION']}"


# ---- values -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "broken",
    [
        {"modelStore": ""},
        {"modelStore": "/models"},
        {"image": "vllm/vllm-openai:latest"},
        {"models": {"another-judge": {}}},
        {"models": {"embedder": {"duties": ["release"]}}},
        {"models": {"embedder": {"replicas": 3}}},
        {"prewarm": {"windows": [{"start": "02:40", "end": "03:30"}]}},
    ],
    ids=json.dumps,
)
def test_wrong_values_are_refused(broken):
    with pytest.raises(HelmError):
        objects("production", {"judge": broken})


# ---- the queries, in a real promtool ---------------------------------------------------------

KSM = {"series": 'kube_node_info{node="a"}', "values": "1x30"}
RUNNING = 'kube_pod_status_phase{namespace="training-pipeline",pod="%s",phase="Running"}'
LABELS = 'kube_pod_labels{namespace="training-pipeline",pod="%s",label_app_kubernetes_io_component="%s"}'


def pod(name, duty, values):
    return [{"series": RUNNING % name, "values": values}, {"series": LABELS % (name, duty), "values": values.replace("0", "1")}]


def available(name, count):
    return {"series": f'kube_deployment_status_replicas_available{{deployment="{name}-predictor"}}', "values": f"{count}x30"}


def waiting(pod_name, count, model="qwen3-4b-instruct-2507"):
    return {"series": f'vllm:num_requests_waiting{{model_name="{model}",engine="0",pod="{pod_name}"}}', "values": f"{count}x30"}


def rollout(phase):
    return {"series": f'rollout_info{{name="agent-model",phase="{phase}"}}', "values": "1x30"}


@pytest.mark.parametrize(
    ("name", "trigger", "series", "value"),
    [
        ("reward-judge", "demand", [KSM], 0),
        ("reward-judge", "demand", [KSM, *pod("a", "label", "1x30"), *pod("b", "label", "1x30"), *pod("c", "ingest", "1x30")], 2),
        ("reward-judge", "demand", [KSM, *pod("a", "label", "1x15 _x15")], 1),
        ("reward-judge", "demand", [KSM, *pod("a", "label", "1x2 _x28")], 0),
        ("reward-judge", "demand", [KSM, rollout("Progressing")], 0),
        ("reward-judge", "demand", [*pod("a", "label", "1x2 _x28")], None),
        ("gate-judge", "demand", [KSM, rollout("Healthy")], 0),
        ("gate-judge", "demand", [KSM, rollout("Paused"), *pod("a", "gate", "1x30")], 2),
        ("reward-judge", "waiting", [KSM, available("reward-judge", 0)], 0),
        ("reward-judge", "waiting", [KSM, available("reward-judge", 2), waiting("a", 3), waiting("b", 4), waiting("c", 9, "another")], 7),
        ("reward-judge", "waiting", [KSM, available("reward-judge", 1)], None),
        ("reward-judge", "waiting", [], None),
    ],
    ids=[
        "nobody",
        "two of a duty that asks",
        "between two tries",
        "long gone",
        "a canary is the gate judge's",
        "kube-state-metrics is silent",
        "no canary",
        "canary and gate",
        "asleep",
        "all replicas of this model",
        "ready and not heard",
        "nothing at all",
    ],
)
def test_the_queries_say_how_much_work_there_is(tmp_path, name, trigger, series, value):
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool not installed: apt-get install prometheus")
    query = triggers(objects("production"), name)[trigger]["metadata"]["query"]
    expected = [] if value is None else [{"labels": "{}", "value": value}]
    case = {"interval": "1m", "input_series": series, "promql_expr_test": [{"expr": query, "eval_time": "20m", "exp_samples": expected}]}
    file = tmp_path / "queries.yaml"
    file.write_text(json.dumps({"rule_files": [], "evaluation_interval": "1m", "tests": [case]}), encoding="utf-8")
    done = subprocess.run([promtool, "test", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
