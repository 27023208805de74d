from __future__ import annotations

import pytest

from steps.contract.errors import DataError
from steps.release.agent_manifest import INITIAL_AGENT, Agent, agent_path, check_agreement, next_agent, parse_agent
from steps.release.model_pin import Pin

FILE = """\
# Ours.
agent:   # who answers
  version: 4  # counted up by releases
  model_name: agent-model
  model_version: 2
  prompt_version: "2026-05-01"   # the prompt team's
  tools:
    - search@2
    - calculator   # no version
"""


def pin(version=3, name="agent-model"):
    return Pin(name=name, version=version, uri="s3://m/3", sha256="1" * 64)


def test_only_the_releases_values_change_and_the_version_grows():
    changed = next_agent(FILE, pin(), "agent.yaml")
    assert changed == FILE.replace("version: 4", "version: 5").replace("model_version: 2", "model_version: 3")
    assert parse_agent(changed, "agent.yaml") == Agent(
        version=5, model_name="agent-model", model_version=3, prompt_version="2026-05-01", tools=("search@2", "calculator")
    )
    assert parse_agent(next_agent(changed, pin(2), "agent.yaml"), "agent.yaml").version == 6


def test_windows_line_ends_are_kept():
    changed = next_agent(FILE.replace("\n", "\r\n"), pin(), "agent.yaml")
    assert changed.count("\r\n") == changed.count("\n") == FILE.count("\n")


def test_an_environment_without_a_manifest_gets_its_first():
    first = parse_agent(next_agent(None, pin(7), "agent.yaml"), "agent.yaml")
    assert (first.version, first.model_version, first.tools) == (1, 7, ())
    assert first.agrees(pin(7)) and not first.agrees(pin(6)) and not first.agrees(pin(7, "other"))


def test_disagreement_says_expected_and_found():
    check_agreement(FILE, pin(2), "agent.yaml")
    check_agreement(None, pin(2), "agent.yaml")
    with pytest.raises(DataError, match="expected agent-model@3, which is pinned, found agent-model@2"):
        check_agreement(FILE, pin(3), "agent.yaml")


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("a: [", "not YAML"),
        ("", "one mapping"),
        (FILE + "model: {}\n", "one mapping"),
        (FILE.replace("version: 4", "version: four"), "agent.version"),
        (FILE.replace("  model_version: 2\n", ""), "agent.model_version"),
        (FILE.replace('"2026-05-01"', "3"), "agent.prompt_version"),
        (FILE.replace('"2026-05-01"', '"a b"'), "agent.prompt_version"),
        (FILE + "  prompt: hello\n", "agent.prompt"),
        (FILE.replace("tools:", "tools: search\n  other:"), "agent.tools: must be a list"),
        (FILE.replace("calculator ", "7 "), "agent.tools"),
        ("agent: {version: 4, model_name: m, model_version: 2, prompt_version: v1, tools: []}\n", "one line each"),
    ],
)
def test_a_malformed_manifest_is_refused(broken, message):
    with pytest.raises(DataError, match=message):
        next_agent(broken, pin(), "agent.yaml")


def test_it_stands_beside_the_pin():
    assert agent_path("production") == "charts/environments/production/agent.yaml"
    assert parse_agent(INITIAL_AGENT.format(name="m", version=0), "x").version == 0
