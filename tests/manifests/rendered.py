"""Every object of an environment, as Argo CD would make it: what charts/root-app names, rendered from where it says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from helm_python import Chart

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ("kind", "staging", "production")
ROOT_APP = "charts/root-app"
# Every chart of ours: a new one is added here and to charts/root-app/values.yaml.
CHARTS = (
    ROOT_APP,
    "charts/judge",
    "charts/observability",
    "charts/pipeline",
    "charts/registry",
    "charts/telemetry",
    "karpenter",
    "kgateway",
    "rollouts",
)
# What they all depend on; it renders nothing itself.
LIBRARY = "charts/common"
CLUSTER_SCOPED = {
    "APIService",
    "ClusterImagePolicy",
    "ClusterPolicy",
    "ClusterQueue",
    "ClusterRole",
    "ClusterRoleBinding",
    "ClusterSecretStore",
    "ClusterServingRuntime",
    "CustomResourceDefinition",
    "EC2NodeClass",
    "GatewayClass",
    "Namespace",
    "NodePool",
    "PersistentVolume",
    "PriorityClass",
    "ResourceFlavor",
    "StorageClass",
    "Topology",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "WorkloadPriorityClass",
}

# An environment without a released model has no Rollout; with this pin it has one.
PIN = {
    "model": {"name": "agent-model", "version": 3, "uri": "/data/models/3", "sha256": "3" * 64},
    "agent": {"version": 3, "model_name": "agent-model", "model_version": 3},
}

Manifest = dict[str, Any]


class Item(NamedTuple):
    """One object, and the Application and file that it comes from."""

    application: str
    file: str
    manifest: Manifest

    @property
    def kind(self) -> str:
        return self.manifest["kind"]

    @property
    def name(self) -> str:
        return self.manifest["metadata"]["name"]

    @property
    def namespace(self) -> str:
        return self.manifest["metadata"].get("namespace", "")

    def __str__(self) -> str:
        return f"{self.application}: {self.kind} {self.namespace}/{self.name}".replace(" /", " ")


def merged(values: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Value files as Helm lays them over each other: maps merge, all else is replaced, null removes."""
    result = dict(values)
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result


def read_values(files: Iterable[Path]) -> dict[str, Any]:
    """Those that exist, laid over each other."""
    values: dict[str, Any] = {}
    for file in files:
        if file.is_file():
            values = merged(values, yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader) or {})
    return values


def render(chart: Path, values: dict[str, Any], name: str, namespace: str) -> dict[str, list[Manifest]]:
    """Template file -> objects."""
    loaded = Chart.load(str(chart))
    try:
        texts = loaded.render(values, name=name, namespace=namespace)
    finally:
        loaded.close()
    return {
        file.partition("/")[2]: [manifest for manifest in yaml.load_all(text, Loader=yaml.CSafeLoader) if manifest]
        for file, text in texts.items()
    }


def environment_files(environment: str, root: Path = ROOT) -> list[Path]:
    """The value files of an environment, in the order that charts/root-app gives."""
    listed = yaml.safe_load((root / ROOT_APP / "values.yaml").read_text(encoding="utf-8"))["rootApp"]["valueFiles"]
    return [root / "charts" / "environments" / environment / name for name in listed]


def root_app(environment: str, root: Path = ROOT, more: dict[str, Any] | None = None) -> list[Item]:
    """What charts/root-app makes; images by tag are taken, because none of ours is pushed yet."""
    values = merged(read_values(environment_files(environment, root)), {"rootApp": {"requireDigests": False}})
    values = merged(values, more or {})
    found = render(root / ROOT_APP, values, "root-app", "argocd")
    return [Item("root-app", file, manifest) for file, manifests in sorted(found.items()) for manifest in manifests]


def own_applications(environment: str, root: Path = ROOT) -> list[Manifest]:
    """Applications whose source is this repository."""
    found = [item.manifest for item in root_app(environment, root) if item.kind == "Application" and item.name != "root-app"]
    return [manifest for manifest in found if manifest["spec"]["project"] == "ctp"]


def objects_of(application: Manifest, root: Path = ROOT, more: dict[str, Any] | None = None) -> Iterator[Item]:
    """What one Application of ours makes, with values beside its files."""
    name, source = application["metadata"]["name"], application["spec"]["source"]
    folder, namespace = root / source["path"], application["spec"]["destination"]["namespace"]
    found: dict[str, list[Manifest]] = {}
    if "helm" in source:
        values = merged(read_values(root / file.removeprefix("/") for file in source["helm"]["valueFiles"]), more or {})
        found = render(folder, values, source["helm"]["releaseName"], namespace)
    else:
        for file in sorted(folder.glob("*.yaml")):
            found[file.name] = list(yaml.load_all(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader))
    for file, manifests in sorted(found.items()):
        for manifest in manifests:
            if manifest["kind"] not in CLUSTER_SCOPED:
                manifest["metadata"].setdefault("namespace", namespace)
            yield Item(name, file, manifest)


def tree(environment: str, root: Path, more: dict[str, Any] | None = None) -> tuple[Item, ...]:
    """Every object of an environment, out of any copy of the repository."""
    items = list(root_app(environment, root))
    for application in own_applications(environment, root):
        items += objects_of(application, root, more)
    return tuple(items)


@cache
def objects(environment: str, *, released: bool = True) -> tuple[Item, ...]:
    """Every object of an environment, with a model pinned or as it is; rendered once, so do not change it."""
    return tree(environment, ROOT, PIN if released else None)


def of_kind(environment: str, *kinds: str) -> list[Item]:
    """Those of some kinds."""
    return [item for item in objects(environment) if item.kind in kinds]


def pod_specs(item: Item) -> Iterator[tuple[str, dict[str, Any], dict[str, str]]]:
    """Every pod that an object makes: where it stands in it, its spec, its labels.

    An Argo template is the exception: its fields are not a pod's, so `workflows/` has its own tests.
    """
    paths = {
        "Deployment": "spec.template",
        "StatefulSet": "spec.template",
        "DaemonSet": "spec.template",
        "Job": "spec.template",
        "Rollout": "spec.template",
        "CronJob": "spec.jobTemplate.spec.template",
    }
    if item.kind in paths:
        at = paths[item.kind]
        template = walk(item.manifest, at)
        if template:
            yield at, template["spec"], template.get("metadata", {}).get("labels", {})
    if item.kind == "Pod":
        yield "", item.manifest["spec"], item.manifest["metadata"].get("labels", {})
    if item.kind in ("AnalysisTemplate", "ClusterAnalysisTemplate"):
        for number, metric in enumerate(item.manifest["spec"].get("metrics", [])):
            template = walk(metric, "provider.job.spec.template")
            if template:
                yield f"spec.metrics[{number}]", template["spec"], template.get("metadata", {}).get("labels", {})
    if item.kind == "InferenceService":
        predictor = item.manifest["spec"]["predictor"]
        yield "spec.predictor", predictor, {"app": f"isvc.{item.name}-predictor", **item.manifest["metadata"].get("labels", {})}
    if item.kind in ("RayCluster", "RayJob"):
        # A workflow that only waits for one names it without a spec.
        spec = item.manifest.get("spec") or {}
        cluster = spec if item.kind == "RayCluster" else spec.get("rayClusterSpec", {})
        groups = [("headGroupSpec", cluster.get("headGroupSpec"))] + [
            (f"workerGroupSpecs[{number}]", group) for number, group in enumerate(cluster.get("workerGroupSpecs", []))
        ]
        for at, group in groups:
            if group:
                labels = group["template"].get("metadata", {}).get("labels", {})
                # KubeRay's own on every pod of a cluster.
                yield f"spec.{at}", group["template"]["spec"], {**labels, "ray.io/is-ray-node": "yes"}


def walk(value: Any, path: str) -> Any:
    """The value at a path of dots; None where it ends."""
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def strings(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text of an object with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, found in value.items():
            yield from strings(found, f"{path}.{key}")
    elif isinstance(value, list):
        for number, found in enumerate(value):
            yield from strings(found, f"{path}[{number}]")
