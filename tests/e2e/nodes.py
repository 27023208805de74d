"""Reading and steering a Workflow object: what `argo get`, `argo node set` and `argo resume` do, on plain data."""

from __future__ import annotations

import copy
from typing import Any

Workflow = dict[str, Any]
Node = dict[str, Any]
ENDED = ("Succeeded", "Failed", "Error")


def nodes(workflow: Workflow) -> list[Node]:
    """The nodes so far, in the order of their start.

    Raises:
        ValueError: they are stored compressed or elsewhere, which a run of this size never needs.
    """
    status = workflow.get("status") or {}
    if status.get("compressedNodes") or status.get("offloadNodeStatusVersion"):
        raise ValueError(f"{workflow['metadata']['name']}: node status is compressed or offloaded: look with argo get")
    return sorted((status.get("nodes") or {}).values(), key=lambda node: node.get("startedAt") or "")


def phase(workflow: Workflow) -> str:
    """Pending, Running, Succeeded, Failed or Error; empty before the controller saw it."""
    return str((workflow.get("status") or {}).get("phase") or "")


def waiting(workflow: Workflow) -> list[str]:
    """Names of the suspend nodes that wait for a person."""
    return [node["displayName"] for node in nodes(workflow) if node["type"] == "Suspend" and node["phase"] == "Running"]


def node_called(workflow: Workflow, display_name: str) -> Node:
    """The one node of that name.

    Raises:
        LookupError: there is none.
    """
    for node in nodes(workflow):
        if node["displayName"] == display_name:
            return node
    raise LookupError(f"{workflow['metadata']['name']} has no node {display_name!r}: {sorted({n['displayName'] for n in nodes(workflow)})}")


def attempts(workflow: Workflow, template: str) -> list[Node]:
    """The pods that ran a template, oldest first; a retried one counts each time."""
    return [node for node in nodes(workflow) if node["type"] == "Pod" and _template(node) == template]


def _template(node: Node) -> str:
    return str(node.get("templateName") or (node.get("templateRef") or {}).get("template") or "")


def story(workflow: Workflow) -> str:
    """Phase, message and every node that did not end well: what a failed test prints."""
    status = workflow.get("status") or {}
    lines = [f"{workflow['metadata']['name']}: {phase(workflow) or 'not started'} {status.get('message', '')}".rstrip()]
    for node in nodes(workflow):
        if node["phase"] not in ("Succeeded", "Skipped", "Omitted"):
            lines.append(f"  {node['displayName']} [{node['type']}] {node['phase']}: {node.get('message', '')}")
    return "\n".join(lines)


def decided(workflow: Workflow, display_name: str, values: dict[str, str], at: str) -> Workflow:
    """A copy in which a waiting suspend node has its values and is done.

    Raises:
        LookupError: no such node waits, or it has no output of that name, or a value is missing.
    """
    changed = copy.deepcopy(workflow)
    for node in changed["status"]["nodes"].values():
        if node["displayName"] == display_name and node["type"] == "Suspend" and node["phase"] == "Running":
            break
    else:
        raise LookupError(f"{workflow['metadata']['name']}: {display_name!r} does not wait; waiting: {waiting(workflow)}")
    outputs = {parameter["name"]: parameter for parameter in (node.get("outputs") or {}).get("parameters") or []}
    if unknown := set(values) - set(outputs):
        raise LookupError(f"{display_name} takes {sorted(outputs)}, not {sorted(unknown)}")
    for name, parameter in outputs.items():
        source = parameter.pop("valueFrom", None) or {}
        value = values.get(name, parameter.get("value", source.get("default")))
        if value is None:
            raise LookupError(f"{display_name}: {name} has no default: give a value")
        parameter["value"] = value
    node |= {"phase": "Succeeded", "finishedAt": at}
    return changed


def submission(template: str, parameters: dict[str, str], namespace: str) -> Workflow:
    """The Workflow that `argo submit --from workflowtemplate/TEMPLATE -p …` makes."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {
            "generateName": f"{template}-",
            "namespace": namespace,
            "labels": {"workflows.argoproj.io/workflow-template": template},
        },
        "spec": {
            "workflowTemplateRef": {"name": template},
            "arguments": {"parameters": [{"name": name, "value": value} for name, value in parameters.items()]},
        },
    }
