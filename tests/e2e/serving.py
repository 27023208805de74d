"""The serving charts of the kind environment as Argo CD makes them from Git, with the pin of the moment."""

from __future__ import annotations

from typing import Any

import yaml

from ..manifests.rendered import environment_files, merged, own_applications, read_values, render
from .prometheus import service_of
from .rendered import ROOT, Document, images, with_image

CHARTS = ("kgateway", "rollouts")
APPROVER = "ctp e2e"
CONTAINER = "model"


def serving_values(released: Document, prometheus: str = "") -> Document:
    """Values of the environment with what is released now.

    Args:
        released: `model` and `agent`, as `ctp status --json` tells it.
        prometheus: URL for the analyses; empty: that of the environment.
    """
    values = merged(read_values(environment_files("kind")), {key: released[key] for key in ("model", "agent") if released.get(key)})
    if not prometheus:
        return values
    # Where the namespace lets nothing in, its Prometheus must be let in from wherever it is.
    _, namespace = service_of(prometheus)
    scraped = {"monitoring": {"namespace": namespace}, "gateway": {"local": {"networkPolicy": {"monitoringNamespace": namespace}}}}
    return merged(values, {"serving": {"analysis": {"prometheus": prometheus}, **scraped}})


def serving_documents(values: Document, image: str, fault: str = "") -> list[Document]:
    """Both charts, in the order of Argo CD's waves: the Rollout is last.

    Args:
        values: from `serving_values`.
        image: the one image on the node.
        fault: what the released version does wrong, see `ctp serve model --fault`; empty: nothing.
    """
    namespace = values["serving"]["namespace"]
    documents = [document for chart in CHARTS for found in render(ROOT / chart, values, chart, namespace).values() for document in found]
    ours = {values["workflows"]["image"], values["workflows"].get("train_image") or values["workflows"]["image"]}
    documents = with_image(documents, ours & images(documents), image)
    for document in documents:
        if document["kind"] == "Rollout" and fault:
            spoil(document, fault)
    return sorted(documents, key=_wave)


def _wave(document: Document) -> int:
    return int((document["metadata"].get("annotations") or {}).get("argocd.argoproj.io/sync-wave", 0))


def spoil(rollout: Document, fault: str) -> None:
    """Let the pods of this version fail on purpose."""
    containers = rollout["spec"]["template"]["spec"]["containers"]
    (container,) = [container for container in containers if container["name"] == CONTAINER]
    container["env"] = [*container.get("env", []), {"name": "CTP_FAULT", "value": fault}]


def ignore_rules() -> list[Document]:
    """`ignoreDifferences` of the Applications of both charts."""
    found = [app for app in own_applications("kind") if app["metadata"]["name"] in CHARTS]
    return [rule for app in found for rule in app["spec"].get("ignoreDifferences", [])]


def policy_for_users(values: Document) -> Document:
    """Lets the test's own pods ask the gateway, where the namespace lets nothing out."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "ctp-e2e", "namespace": values["serving"]["namespace"]},
        "spec": {
            "podSelector": {"matchLabels": {"app.kubernetes.io/name": "ctp-e2e"}},
            "policyTypes": ["Egress"],
            "egress": [{"ports": [{"protocol": "TCP", "port": values["serving"]["gateway"].get("port", gateway_default("port"))}]}],
        },
    }


def gateway_default(key: str) -> Any:
    """A default of kgateway/."""
    return yaml.safe_load((ROOT / "kgateway" / "values.yaml").read_text(encoding="utf-8"))["serving"]["gateway"][key]


def register_arguments(artifact: str, name: str) -> list[str]:
    """`ctp step register`: the same files as a version of its own."""
    return ["step", "register", f"--model={artifact}", "--bootstrap=true", f"--policy-version=e2e-{name}", f"--approved-by={APPROVER}"]


def release_arguments(model: str, artifact: str) -> list[str]:
    """`ctp step release`."""
    return ["step", "release", f"--model={model}", f"--artifact={artifact}", f"--approved-by={APPROVER}"]


def artifact_of(released: Document) -> str:
    """Reference of the released model's files."""
    return f"{released['model']['uri']}#sha256:{released['model']['sha256']}"
