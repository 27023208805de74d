"""What `argo lint` and the controller refuse, asked of every rendered file where there is no `argo`.

Parameters and outputs that tasks take from each other stand in test_references.py.
Sources: Argo Workflows v4.1.2, workflow/validate/validate.go, workflow/common/ancestry.go, workflow/controller/{workflowpod,dag}.go,
workflow/metrics/metrics_custom.go, pkg/apis/workflow/v1alpha1/utils.go.
"""

from __future__ import annotations

import json
import re

import pytest

from steps.cli.step import split_params
from steps.contract.errors import UsageError

from .rendered import EVERY_WORKFLOW, RENDERINGS, cron_workflows, each_pod, parameters, tasks, templates, workflow_templates

NAME = re.compile(r"[a-zA-Z0-9][-a-zA-Z0-9]{0,127}")
PARAMETER = re.compile(r"[-a-zA-Z0-9_]+")
METRIC = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
DURATION = re.compile(r"\d+(\.\d+)?(ms|s|m|h)")
RESULTS = {"Succeeded", "Failed", "Skipped", "Omitted", "Errored", "Daemoned", "AnySucceeded", "AllFailed"}
# One comparison of two texts in quotation marks. Argo puts values in as they are: without the marks they would be read as code.
COMPARISON = r"'[^'\"]*' (==|!=) '[^'\"]*'"
OF_OUTPUTS = ("path", "jqFilter", "jsonPath", "parameter", "expression", "supplied")
# Bytes: what one environment variable or argument of a process may hold; beyond it Argo takes other ways.
LONGEST_VARIABLE = 128 * 1024
ARGO_VOLUMES = {"var-run-argo", "tmp-dir-argo", "input-artifacts", "argo-env-config", "argoexec-bin"}
EVERYWHERE = pytest.mark.parametrize(("environment", "workflow"), EVERY_WORKFLOW)


def unique(names, pattern):
    found = list(names)
    assert len(found) == len(set(found)), found
    for name in found:
        assert pattern.fullmatch(name), name


@EVERYWHERE
def test_names(environment, workflow):
    spec = workflow_templates(environment)[workflow]["spec"]
    unique((template["name"] for template in spec["templates"]), NAME)
    for holder, kinds in [(spec, ("arguments",)), *((template, ("inputs", "outputs")) for template in spec["templates"])]:
        for kind in kinds:
            unique((item["name"] for item in (holder.get(kind) or {}).get("parameters") or []), PARAMETER)
    for template in spec["templates"]:
        if "dag" in template:
            unique((task["name"] for task in template["dag"]["tasks"]), NAME)
            assert not any(task["name"][0].isdigit() for task in template["dag"]["tasks"]), "depends could not name it"


@EVERYWHERE
def test_fields_stand_where_they_count(environment, workflow):
    for template in templates(environment, workflow).values():
        if "dag" in template:
            assert "activeDeadlineSeconds" not in template and template["dag"]["tasks"]
            assert all("dependencies" not in task and "continueOn" not in task for task in template["dag"]["tasks"])
        else:
            assert "parallelism" not in template
            assert "activeDeadlineSeconds" not in template or template["activeDeadlineSeconds"] > 0
        for item in parameters(template, "outputs").values():
            (source,) = [kind for kind in OF_OUTPUTS if kind in item["valueFrom"]]
            wanted = {
                "container": {"path"},
                "dag": {"parameter", "expression"},
                "suspend": {"supplied"},
                "resource": {"jqFilter", "jsonPath"},
            }
            assert source in wanted[next(kind for kind in wanted if kind in template)], f"{template['name']}: {item['name']}"


@EVERYWHERE
def test_dependencies_and_conditions(environment, workflow):
    for template in templates(environment, workflow).values():
        for task in tasks(template).values() if "dag" in template else ():
            depends = task.get("depends", "")
            for name, result in re.findall(r"([\w-]+)\.([A-Z]\w*)", depends):
                assert result in RESULTS and (result not in ("AnySucceeded", "AllFailed") or "withParam" in tasks(template)[name])
            assert re.fullmatch(r"([\w-]+\.[A-Z]\w+)( (&&|\|\|) [\w-]+\.[A-Z]\w+)*|", depends), depends
            assert re.fullmatch(rf"{COMPARISON}( && {COMPARISON})*|", task.get("when", "")), task.get("when")
            for item in parameters(task, "arguments").values():
                assert "value" in item, f"{task['name']}: {item['name']}"


@EVERYWHERE
def test_durations(environment, workflow):
    spec = workflow_templates(environment)[workflow]["spec"]
    found = [spec["podGC"]["deleteDelayDuration"]]
    for template in spec["templates"]:
        backoff = (template.get("retryStrategy") or {}).get("backoff") or {}
        found += [value for key, value in backoff.items() if key != "factor"]
        assert not backoff or (backoff["duration"] and template["retryStrategy"]["limit"] > 0)
    for value in found:
        assert DURATION.fullmatch(value), value


@pytest.mark.parametrize("environment", RENDERINGS)
def test_a_metric_is_the_same_thing_everywhere(environment):
    """The controller keeps the help and the kind that it saw first, and drops what comes with another."""
    seen = {}
    for document in workflow_templates(environment).values():
        spec = document["spec"]
        for holder in (spec, *spec["templates"]):
            for metric in (holder.get("metrics") or {}).get("prometheus") or []:
                (kind,) = metric.keys() & {"gauge", "counter", "histogram"}
                labels = [label["key"] for label in metric.get("labels") or []]
                unique([metric["name"], *labels], METRIC)
                assert metric["help"] and metric[kind]["value"] and not metric[kind].get("realtime")
                assert seen.setdefault(metric["name"], (kind, metric["help"], sorted(labels))) == (kind, metric["help"], sorted(labels))


@EVERYWHERE
def test_braces_are_variables(environment, workflow):
    """An opening pair that is no variable ends the run: nothing but ours may stand in a text that Argo reads."""
    for tag in re.findall(r"\{\{(.*?)\}\}", json.dumps(workflow_templates(environment)[workflow]["spec"])):
        assert re.fullmatch(r"(workflow|inputs|outputs|tasks)(\.[\w-]+)+|item(\.[\w-]+)?|status|duration", tag), tag


# ---- pods -----------------------------------------------------------------------------------


@each_pod
def test_a_pod_is_one_that_the_api_server_takes(environment, workflow, template):
    spec = workflow_templates(environment)[workflow]["spec"]
    volumes = [volume["name"] for volume in (*spec["volumes"], *template["volumes"])]
    assert len(volumes) == len(set(volumes)) and not ARGO_VOLUMES & set(volumes)
    mounts = template["container"]["volumeMounts"]
    beside = [mount for one in (*template.get("initContainers", ()), *template.get("sidecars", ())) for mount in one["volumeMounts"]]
    assert {mount["name"] for mount in (*mounts, *beside)} == set(volumes)
    places = [mount["mountPath"] for mount in mounts]
    assert len(places) == len(set(places)) and not any(place.startswith(("/var/run/argo", "/argo", "/mainctrfs")) for place in places)
    # `wait` reads outputs through the volume that main wrote them to, and never out of a read-only root.
    for item in parameters(template, "outputs").values():
        (volume,) = [mount for mount in mounts if item["valueFrom"]["path"].startswith(f"{mount['mountPath']}/")]
        assert not volume.get("readOnly")


@each_pod
def test_argos_own_containers_are_confined_too(environment, workflow, template):
    """A plain installation leaves them as they are, and a namespace with the standard `restricted` refuses the pod."""
    patch = json.loads(template["podSpecPatch"])
    assert patch.keys() == {"containers", "initContainers"}
    (wait,), (init,) = patch["containers"], patch["initContainers"]
    assert (wait["name"], init["name"]) == ("wait", "init")
    for container in (wait, init):
        assert container.keys() == {"name", "securityContext"}, "a patch that brought a container of its own would break the pod"
        security = container["securityContext"]
        assert security["allowPrivilegeEscalation"] is False and security["capabilities"] == {"drop": ["ALL"]}
        assert "runAsUser" not in security, "what one container writes another reads and runs"
    pod = workflow_templates(environment)[workflow]["spec"]["securityContext"]
    assert pod["runAsNonRoot"] is True and pod["runAsUser"] > 0 and pod["seccompProfile"] == {"type": "RuntimeDefault"}


@EVERYWHERE
def test_templates_without_argos_containers_get_none(environment, workflow):
    for template in templates(environment, workflow).values():
        patch = json.loads(template.get("podSpecPatch", "{}"))
        if "resource" in template:
            assert patch.keys() <= {"containers"} and {container["name"] for container in patch["containers"]} <= {"main"}
        elif "container" not in template:
            assert not patch


@EVERYWHERE
def test_sizes(environment, workflow):
    """The whole template is stored in each of its Workflows, of which etcd takes 1.5 MB; a pod gets its own as a variable."""
    document = workflow_templates(environment)[workflow]
    assert len(json.dumps(document["spec"])) < 400_000
    for template in document["spec"]["templates"]:
        assert len(json.dumps(template)) < LONGEST_VARIABLE / 2, template["name"]


def test_an_argument_too_long_for_a_process_comes_in_a_file(tmp_path):
    long = tmp_path / "argo_arg_9.txt"
    long.write_text(f"--failures={'x' * LONGEST_VARIABLE}", encoding="utf-8")
    assert split_params(["--status=Failed", f"@{long}"]) == {"status": "Failed", "failures": "x" * LONGEST_VARIABLE}
    # A value stays what was typed.
    assert split_params([f"--reason=@{long}"]) == {"reason": f"@{long}"}
    with pytest.raises(UsageError, match="no such file"):
        split_params(["@/no/such/file"])


@pytest.mark.parametrize("environment", RENDERINGS)
def test_what_a_schedule_starts_needs_no_answer(environment):
    for cron in cron_workflows(environment).values():
        started = workflow_templates(environment)[cron["spec"]["workflowSpec"]["workflowTemplateRef"]["name"]]
        assert all("value" in item for item in parameters(started["spec"], "arguments").values())
        assert cron["spec"].keys() >= {"schedules"} and not cron["spec"].keys() & {"schedule"}
