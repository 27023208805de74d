"""Pin and manifest as committed agree in every environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from steps.contract.config import load_config
from steps.release.agent_manifest import agent_path, check_agreement, parse_agent
from steps.release.model_pin import parse_pin, pin_path

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("environment", ["kind", "staging", "production"])
def test_committed_pin_and_manifest_agree(environment):
    pin = parse_pin((ROOT / pin_path(environment)).read_text(encoding="utf-8"), "model.yaml")
    text = (ROOT / agent_path(environment)).read_text(encoding="utf-8")
    check_agreement(text, pin, "agent.yaml")
    config = load_config(ROOT / "charts" / "environments" / environment / "values.yaml")
    assert parse_agent(text, "agent.yaml").model_name == config.model_name == pin.name
    assert config.release.environment == environment
