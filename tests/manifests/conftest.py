"""The chart of every environment, rendered once."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from helm_python import Chart

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "pipeline"
ENVIRONMENTS = ("kind", "staging", "production")
NAMESPACE = "training-pipeline"


def values_of(environment: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / "charts" / "environments" / environment / "values.yaml").read_text(encoding="utf-8"))


def rendered(values: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Template file -> documents."""
    chart = Chart.load(str(CHART))
    try:
        texts = chart.render(values, name="pipeline", namespace=NAMESPACE)
    finally:
        chart.close()
    return {Path(name).name: [document for document in yaml.safe_load_all(text) if document] for name, text in texts.items()}


@cache
def of_environment(environment: str) -> dict[str, list[dict[str, Any]]]:
    return rendered(values_of(environment))


@pytest.fixture(params=ENVIRONMENTS)
def environment(request):
    return request.param


@pytest.fixture
def documents(environment):
    return [document for found in of_environment(environment).values() for document in found]
