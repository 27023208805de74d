"""What is applied to the cluster: the chart and the committed workflows of one environment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
# What others stand on comes first.
_ORDER = (
    "Namespace",
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ConfigMap",
    "PersistentVolumeClaim",
    "NetworkPolicy",
    "Service",
    "Deployment",
    "WorkflowTemplate",
)

Document = dict[str, Any]


def environment_values(environment: str) -> Document:
    """The environment's one values file."""
    path = ROOT / "charts" / "environments" / environment / "values.yaml"
    values: Document = yaml.safe_load(path.read_text(encoding="utf-8"))
    return values


def namespace_of(values: Document) -> str:
    """Where the environment's workflows live."""
    return str((values.get("workflows") or {}).get("namespace", "training-pipeline"))


def chart_documents(values: Document) -> list[Document]:
    """charts/pipeline as Helm renders it."""
    from helm_python import Chart

    chart = Chart.load(str(ROOT / "charts" / "pipeline"))
    try:
        texts = chart.render(values, name="pipeline", namespace=namespace_of(values))
    finally:
        chart.close()
    return [document for _, text in sorted(texts.items()) for document in yaml.safe_load_all(text) if document]


def workflow_documents(rendering: str) -> list[Document]:
    """The committed WorkflowTemplates and CronWorkflows."""
    folder = ROOT / "workflows" / "rendered" / rendering
    return [
        document for path in sorted(folder.rglob("*.yaml")) for document in yaml.safe_load_all(path.read_text(encoding="utf-8")) if document
    ]


def _mappings(value: Any) -> Iterator[Document]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _mappings(item)


def images(documents: list[Document]) -> set[str]:
    """Every container image that the documents name."""
    return {mapping["image"] for document in documents for mapping in _mappings(document) if isinstance(mapping.get("image"), str)}


def with_image(documents: list[Document], ours: set[str], image: str) -> list[Document]:
    """The documents with our images replaced in place by the one on the node, which is never pulled again."""
    for document in documents:
        for mapping in _mappings(document):
            if mapping.get("image") in ours:
                mapping |= {"image": image, "imagePullPolicy": "IfNotPresent"}
    return documents


def kind_environment(image: str) -> list[Document]:
    """Everything of the kind environment in the order of applying; no schedule starts anything by itself."""
    values = environment_values("kind")
    documents = [*chart_documents(values), *workflow_documents("kind")]
    workflows = values["workflows"]
    documents = with_image(documents, {workflows["image"], workflows.get("train_image") or workflows["image"]}, image)
    for document in documents:
        if document["kind"] == "CronWorkflow":
            document["spec"]["suspend"] = True
    return sorted(documents, key=lambda document: _ORDER.index(document["kind"]) if document["kind"] in _ORDER else len(_ORDER))
