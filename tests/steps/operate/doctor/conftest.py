"""The findings of a configuration by their area."""

from __future__ import annotations

import pytest

from steps.contract.config import load_config
from steps.operate.doctor.finding import Finding
from steps.operate.doctor.report import examine


@pytest.fixture
def by_area(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)

    def run(*overrides: str) -> dict[str, Finding]:
        findings = examine(load_config(None, overrides), tmp_path / "work")
        return {finding.area: finding for finding in findings}

    return run
