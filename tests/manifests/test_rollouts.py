"""rollouts/ in every environment: the Rollout, its analyses and what stands around it. Schemas and names: test_schemas, test_references."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml
from helm_python import HelmError

from steps.contract.config import load_config
from workflows.generate.derived import canary_values, derived_path, derived_text

from .rendered import ENVIRONMENTS, PIN, ROOT, environment_files, merged, read_values, render

CHART = ROOT / "rollouts"


def values_of(environment, **serving):
    return merged(merged(read_values(environment_files(environment)), PIN), {"serving": serving} if serving else {})


def objects_of(values):
    found = [manifest for manifests in render(CHART, values, "rollouts", "anything").values() for manifest in manifests]
    return {(manifest["kind"], manifest["metadata"]["name"]): manifest for manifest in found}


@pytest.fixture(scope="module", params=ENVIRONMENTS)
def environment(request):
    return request.param


@pytest.fixture(scope="module")
def made(environment):
    return objects_of(values_of(environment))


@pytest.fixture
def canary(made):
    return made["Rollout", "agent-model"]["spec"]["strategy"]["canary"]


@pytest.fixture
def pod(made):
    return made["Rollout", "agent-model"]["spec"]["template"]


# ---- steps and analyses ---------------------------------------------------------------------


def test_steps_are_the_configurations(environment, canary):
    config = load_config(ROOT / "charts" / "environments" / environment / "values.yaml").canary
    assert [step["setWeight"] for step in canary["steps"] if "setWeight" in step] == list(config.weights)
    holds = [float(step["pause"]["duration"].removesuffix("s")) for step in canary["steps"] if "pause" in step]
    assert holds == [hold for hold in config.holds_s if hold]


def test_production_holds_a_day_and_a_week():
    steps = objects_of(values_of("production"))["Rollout", "agent-model"]["spec"]["strategy"]["canary"]["steps"]
    assert [step for step in steps if "analysis" not in step][2:] == [
        {"setWeight": 5},
        {"pause": {"duration": "86400s"}},
        {"setWeight": 25},
        {"pause": {"duration": "604800s"}},
        {"setWeight": 100},
    ]


def test_nobody_is_sent_to_a_canary_before_it_is_watched(canary):
    steps = canary["steps"]
    first = next(index for index, step in enumerate(steps) if "setWeight" in step)
    assert canary["analysis"]["startingStep"] == first
    assert "setCanaryScale" in steps[0] and steps[first - 1] == {"setCanaryScale": {"matchTrafficWeight": True}}


def test_a_weight_rises_only_after_a_passed_analysis(canary):
    steps = canary["steps"]
    weights = [index for index, step in enumerate(steps) if "setWeight" in step]
    for index in weights[1:]:
        assert "analysis" in steps[index - 1]


def test_templates_named_by_the_rollout_exist_and_are_of_the_right_kind(made, canary):
    inline = [template["templateName"] for step in canary["steps"] if "analysis" in step for template in step["analysis"]["templates"]]
    background = [template["templateName"] for template in canary["analysis"]["templates"]]
    templates = {name for kind, name in made if kind == "AnalysisTemplate"}
    assert set(inline) | set(background) == templates and not set(inline) & set(background)
    for name in inline:
        # Without a count a step's metric runs for ever, and the Rollout is refused.
        assert all(metric["count"] > metric["inconclusiveLimit"] for metric in made["AnalysisTemplate", name]["spec"]["metrics"])
    for name in background:
        assert all("count" not in metric for metric in made["AnalysisTemplate", name]["spec"]["metrics"])


def test_metric_names_are_unique_in_a_run(made, canary):
    for templates in (
        canary["analysis"]["templates"],
        next(step for step in canary["steps"] if "analysis" in step)["analysis"]["templates"],
    ):
        names = [
            metric["name"] for template in templates for metric in made["AnalysisTemplate", template["templateName"]]["spec"]["metrics"]
        ]
        assert len(names) == len(set(names)) >= len(templates)


def test_every_analysis_fails_closed(made):
    for (kind, _), manifest in made.items():
        for metric in manifest["spec"]["metrics"] if kind == "AnalysisTemplate" else ():
            for key in ("successCondition", "failureCondition"):
                assert metric[key].startswith("len(result) == 1 && !isNaN(result[0]) && !isInf(result[0]) && result[0] ")
            assert metric["consecutiveErrorLimit"] >= 12, "two minutes without Prometheus are no reason to abort"
            assert metric["provider"]["prometheus"]["address"]


def test_arguments_of_queries_are_those_that_the_run_gets(made, canary):
    given = {argument["name"] for argument in canary["analysis"]["args"]}
    for (kind, name), manifest in made.items():
        if kind == "AnalysisTemplate":
            declared = {argument["name"]: argument.get("value") for argument in manifest["spec"]["args"]}
            used = set(re.findall(r"\{\{args\.([\w-]+)\}\}", json.dumps(manifest["spec"]["metrics"])))
            assert used <= set(declared), name
            assert {argument for argument, value in declared.items() if value is None} == given


def test_derived_files_are_current(environment):
    config = load_config(ROOT / "charts" / "environments" / environment / "values.yaml")
    assert (ROOT / derived_path(environment)).read_text(encoding="utf-8") == derived_text(config), "run `make render` and commit the result"


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"max_faithfulness_drop": 0.0123}, "result[0] < -0.0123"),
        ({"max_error_ratio_growth": 0.0456}, "result[0] > 0.0456"),
        ({"faithfulness_backstop": 0.077}, "0.077"),
        ({"min_samples": 777}, ">= 777"),
        ({"window_s": 111}, "[111s]"),
    ],
)
def test_a_changed_number_of_the_configuration_reaches_the_templates(change, shown):
    values = values_of("production")
    changed = merged(values["pipeline"]["canary"], change)
    from steps.contract.config import CanaryConfig

    values["derived"]["canary"] = canary_values(CanaryConfig.model_validate(changed))
    text = json.dumps([manifest for (kind, _), manifest in objects_of(values).items() if kind == "AnalysisTemplate"])
    assert shown in text and shown not in json.dumps(
        [m for (kind, _), m in objects_of(values_of("production")).items() if kind == "AnalysisTemplate"]
    )


def test_changed_names_are_seen_everywhere():
    made = objects_of(values_of("production", name="other-model", namespace="elsewhere", port=9000))
    # The quality exporter asks judges, which live where they live.
    text = json.dumps([manifest for (_, name), manifest in made.items() if "quality" not in name])
    assert "model-serving" not in text and '"agent-model-' not in text and "8000" not in text
    assert "kube_elsewhere_other-model-canary_9000" in text
    plugin = made["Rollout", "other-model"]["spec"]["strategy"]["canary"]["trafficRouting"]["plugins"]["argoproj-labs/gatewayAPI"]
    assert plugin == {"httpRoute": "other-model", "namespace": "elsewhere"}


def test_changed_steps_are_seen_with_the_testers_stage_before_them():
    values = values_of("kind", rollout={"testersHold": "30m"})
    values["derived"]["canary"]["steps"] = [{"weight": 10, "hold": "60s"}, {"weight": 100, "hold": ""}]
    canary = objects_of(values)["Rollout", "agent-model"]["spec"]["strategy"]["canary"]
    kinds = [next(iter(step)) for step in canary["steps"]]
    assert kinds == ["setCanaryScale", "pause", "setCanaryScale", "setWeight", "pause", "analysis", "setWeight"]
    assert kinds[canary["analysis"]["startingStep"]] == "setWeight"


# ---- the Rollout --------------------------------------------------------------------------


def test_abort_and_rollback_are_a_change_of_weights(canary, made):
    assert canary["dynamicStableScale"] is False and canary["maxUnavailable"] == 0
    assert canary["abortScaleDownDelaySeconds"] >= 30
    spec = made["Rollout", "agent-model"]["spec"]
    assert spec["progressDeadlineAbort"] is True and spec["rollbackWindow"]["revisions"] >= 1
    startup = spec["template"]["spec"]["containers"][0]["startupProbe"]
    assert spec["progressDeadlineSeconds"] >= startup["periodSeconds"] * startup["failureThreshold"], "a model that loads is no failure"


def test_the_rollout_is_alone_in_the_last_wave(made):
    waves = {key: int(manifest["metadata"].get("annotations", {}).get("argocd.argoproj.io/sync-wave", 0)) for key, manifest in made.items()}
    last = max(waves.values())
    assert [key for key, wave in waves.items() if wave == last] == [("Rollout", "agent-model")]


def test_services_keep_the_hash_that_the_controller_adds(made):
    for side in ("stable", "canary"):
        service = made["Service", f"agent-model-{side}"]
        assert service["metadata"]["annotations"]["argocd.argoproj.io/sync-options"] == "ServerSideApply=false"
        assert service["spec"]["selector"] == made["Rollout", "agent-model"]["spec"]["selector"]["matchLabels"]


def test_pods_say_which_version_they_are(pod):
    from steps.release.rollout_state import VERSION_KEY

    assert pod["metadata"]["labels"][VERSION_KEY] == "3"
    environment = {item["name"]: item.get("value", item.get("valueFrom")) for item in pod["spec"]["containers"][0]["env"]}
    assert environment["CTP_POD_TEMPLATE_HASH"] == {"fieldRef": {"fieldPath": "metadata.labels['rollouts-pod-template-hash']"}}
    assert environment["OTEL_RESOURCE_ATTRIBUTES"] == "service.version=3,ctp.model_version=3,ctp.pod_template_hash=$(CTP_POD_TEMPLATE_HASH)"
    assert list(environment).index("CTP_POD_TEMPLATE_HASH") < list(environment).index("OTEL_RESOURCE_ATTRIBUTES")


def test_only_the_pin_shapes_the_pods():
    """A reverted pin must give back the very template that is running, whatever else changed with it."""
    first = objects_of(values_of("production"))["Rollout", "agent-model"]["spec"]["template"]
    other = merged(values_of("production"), {"agent": {"version": 9, "prompt_version": "v7"}})
    other["derived"]["canary"]["steps"] = [{"weight": 100, "hold": ""}]
    assert objects_of(other)["Rollout", "agent-model"]["spec"]["template"] == first
    assert (
        objects_of(merged(other, {"model": {"version": 4}, "agent": {"model_version": 4}}))["Rollout", "agent-model"]["spec"]["template"]
        != first
    )


def test_pods_are_restricted(pod):
    spec = pod["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in (*spec["initContainers"], *spec["containers"]):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"requests", "limits"} <= set(container["resources"])
        assert "sh" not in container["command"][0]


def test_gpus_are_asked_for_where_there_are_some(environment, pod):
    """A pod of the kind environment that asked for one would wait forever."""
    for container in (*pod["spec"]["initContainers"], *pod["spec"]["containers"]):
        asked = {name for amounts in container["resources"].values() for name in amounts} - {"cpu", "memory"}
        assert asked == ({"nvidia.com/gpu"} if environment != "kind" and container["name"] == "model" else set())


def test_writable_paths_are_volumes(pod):
    for container in pod["spec"]["containers"]:
        mounts = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
        for item in container["env"]:
            if str(item.get("value", "")).startswith("/"):
                assert any(item["value"] == path or item["value"].startswith(f"{path}/") for path in mounts), item
        for argument in container["args"]:
            if argument.startswith("--spans-dir="):
                assert any(argument.partition("=")[2].startswith(path) for path in mounts)


def test_the_model_is_fetched_checked_and_only_then_served(pod):
    (fetch,), (server,) = pod["spec"]["initContainers"], pod["spec"]["containers"]
    assert fetch["command"] == ["ctp"] and fetch["args"][0] == "fetch-model"
    assert fetch["args"][1:] == ["--uri=/data/models/3", f"--sha256={'3' * 64}", "--to=/models/current"]
    assert "--model=/models/current" in server["args"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert server[probe]["httpGet"] == {"path": "/health", "port": "http"}


def test_an_answer_in_flight_outlives_the_order_to_stop(pod):
    command = pod["spec"]["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    settle, longest = int(command[-2]), int(command[-1])
    assert pod["spec"]["terminationGracePeriodSeconds"] > settle + longest + 60


# Options of the pinned vLLM that the chart may use; it refuses to start with one that it does not know. Look a new one up in
# https://docs.vllm.ai/en/v0.23.0/cli/serve/ first. Gone since 0.12: --disable-log-requests (off by default now).
VLLM_OPTIONS = {"--model", "--served-model-name", "--host", "--port", "--otlp-traces-endpoint", "--enable-prefix-caching"}


@pytest.mark.parametrize("engine", ["ctp", "vllm"])
def test_arguments_are_ones_that_the_command_has(engine):
    from typer.testing import CliRunner

    from steps.cli.main import app

    container = objects_of(values_of("kind", engine=engine))["Rollout", "agent-model"]["spec"]["template"]["spec"]["containers"][0]
    if engine == "vllm":
        assert container["command"] == ["python3", "-m", "vllm.entrypoints.openai.api_server"]
        assert {"--served-model-name=agent-model", "--port=8000"} <= set(container["args"])
        assert {argument.partition("=")[0] for argument in container["args"]} <= VLLM_OPTIONS
        assert "VLLM_VERSION=v0.23.0\n" in (ROOT / "versions.env").read_text(encoding="utf-8"), "another version: look its options up"
        return
    shown = CliRunner().invoke(app, ["serve", "model", "--help"], env={"COLUMNS": "200"})
    for argument in container["args"][2:]:
        assert argument.partition("=")[0] in shown.output


def test_the_engine_is_the_pinned_one():
    pins = dict(line.split("=", 1) for line in (ROOT / "versions.env").read_text(encoding="utf-8").splitlines() if re.match(r"\w+=", line))
    image = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))["serving"]["vllm"]["image"]
    assert image == f"vllm/vllm-openai:{pins['VLLM_VERSION']}"


def test_autoscaling_owns_the_replicas(environment, made):
    spec = made["Rollout", "agent-model"]["spec"]
    assert ("replicas" in spec) != (("ScaledObject", "agent-model") in made)
    if environment == "production":
        trigger = made["ScaledObject", "agent-model"]["spec"]["triggers"][0]["metadata"]
        assert trigger["ignoreNullValues"] == "false"


# ---- what is refused ----------------------------------------------------------------------


def test_before_the_first_release_there_is_no_rollout(environment):
    made = objects_of(merged(values_of(environment), {"model": {"version": 0}, "agent": {"model_version": 0}}))
    assert not {kind for kind, _ in made} & {"Rollout", "ScaledObject"}
    assert ("Service", "agent-model-stable") in made


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"agent": {"model_version": 2}}, "agent.yaml says agent-model version 2"),
        ({"agent": {"model_name": "other"}}, "agent.yaml says other version 3"),
        ({"agent": {}}, "no agent manifest"),
        ({"model": {"uri": ""}}, "uri"),
        ({"model": {"sha256": "abc"}}, "sha256"),
        ({"serving": {"engine": "tgi"}}, "engine"),
        ({"serving": {"replica": 3}}, "replica"),
        ({"serving": {"autoscaling": {"minReplicas": 0}}}, "minReplicas"),
        ({"derived": None}, "derived"),
    ],
    ids=json.dumps,
)
def test_wrong_values_are_refused(broken, words):
    values = merged(values_of("kind"), broken)
    if broken == {"agent": {}}:
        del values["agent"]
    with pytest.raises(HelmError, match=words):
        objects_of(values)


# ---- the drain ----------------------------------------------------------------------------


def test_the_drain_waits_for_answers_and_no_longer():
    gauges = {"running": 2}

    class Model(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(f'vllm:num_requests_running{{engine="0"}} {gauges["running"]}.0\nvllm:num_requests_waiting 0.0\n'.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    command = [sys.executable, str(CHART / "files" / "drain.py"), str(server.server_address[1]), "0.1"]
    try:
        child = subprocess.Popen([*command, "30"])
        time.sleep(1.0)
        assert child.poll() is None, "answers are still being written"
        gauges["running"] = 0
        assert child.wait(5) == 0
        gauges["running"] = 1
        began = time.monotonic()
        assert subprocess.run([*command, "1"], check=True, timeout=20).returncode == 0
        assert time.monotonic() - began < 10
    finally:
        server.shutdown()
        server.server_close()
    assert subprocess.run([*command, "30"], check=True, timeout=20).returncode == 0, "a server that is gone has nothing in flight"
