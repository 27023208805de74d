"""Renovate finds every pin of versions.env: the same expressions, applied by an ECMAScript engine as Renovate does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import regress
import yaml

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "versions.env").read_text(encoding="utf-8")
PINS = dict(line.split("=", 1) for line in TEXT.splitlines() if re.match(r"[A-Z_]+=", line))
RENOVATE = json.loads((ROOT / "renovate.json").read_text(encoding="utf-8"))
# What no datasource lists, with the reason.
BY_HAND = {"EFA_INSTALLER_VERSION": "AWS names the versions on a page of prose alone"}


def text_at(span: slice) -> str:
    """A part of versions.env; the engine counts bytes."""
    return TEXT.encode()[span].decode()


def fields_of(expression: str, match: regress.Match) -> dict[str, str]:
    """The named groups that took part in a match."""
    spans = {name: match.named_group(name) for name in re.findall(r"\(\?<(\w+)>", expression)}
    return {name: text_at(span) for name, span in spans.items() if span is not None}


def dependencies() -> dict[str, dict[str, str]]:
    """Key of versions.env -> the fields that Renovate takes from it."""
    (manager,) = RENOVATE["customManagers"]
    found: dict[str, dict[str, str]] = {}
    for expression in manager["matchStrings"]:
        for match in regress.Regex(expression).find_iter(TEXT):
            key = re.search(r"(?m)^([A-Z_]+)=", text_at(match.range()))[1]
            assert key not in found, f"two expressions read {key}"
            found[key] = fields_of(expression, match)
    return found


READ = dependencies()


def test_versions_env_is_the_file_of_the_manager():
    (manager,) = RENOVATE["customManagers"]
    (pattern,) = manager["managerFilePatterns"]
    assert re.fullmatch(pattern.strip("/"), "versions.env") and manager["customType"] == "regex"
    assert "custom.regex" in RENOVATE["enabledManagers"]


@pytest.mark.parametrize("key", [key for key in PINS if key.endswith(("_VERSION", "_IMAGE"))])
def test_renovate_reads_the_pin(key):
    if key in BY_HAND:
        assert key not in READ
        return
    assert key in READ, f"{key}: no annotation on the line above that renovate.json matches"
    fields = READ[key]
    assert fields["datasource"] in ("docker", "github-releases", "helm")
    assert ("registryUrl" in fields) == (fields["datasource"] == "helm")
    if key.endswith("_IMAGE"):
        assert PINS[key] == f"{fields['depName']}:{fields['currentValue']}"
        assert PINS[f"{key}_DIGEST"] == fields.get("currentDigest", "")
    else:
        assert fields["currentValue"] == PINS[key]


def test_every_annotation_is_read():
    assert TEXT.count("# renovate:") == len(READ) and set(BY_HAND) <= set(PINS)


def test_an_annotation_names_the_chart_that_is_installed():
    """Renovate asks the same registry as Argo CD."""
    values = yaml.safe_load((ROOT / "charts" / "root-app" / "values.yaml").read_text(encoding="utf-8"))
    charts = {key for key in PINS if key.endswith("_CHART_VERSION")}
    installed: dict[str, set[tuple[str, str]]] = {}
    for entry in values["rootApp"]["thirdParty"].values():
        installed.setdefault(entry["version"], set()).add((entry["repo"], entry.get("chart", "")))
    for key in charts:
        fields = READ[key]
        repo, chart = (fields["registryUrl"], fields["depName"]) if "registryUrl" in fields else fields["depName"].rsplit("/", 1)
        assert (repo, chart) in installed[key], f"{key}: {repo} {chart} is not what root-app installs: {installed[key]}"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("# renovate: datasource=helm depName=x\n# why\nX_VERSION=1.0.0", "a line between"),
        ("# renovate: depName=x datasource=helm\nX_VERSION=1.0.0", "another order"),
        ("# renovate: datasource=helm\nX_VERSION=1.0.0", "no name"),
        ("X_VERSION=1.0.0", "no annotation"),
    ],
)
def test_an_annotation_with_a_mistake_is_not_read(line, reason):
    (manager,) = RENOVATE["customManagers"]
    assert not [expression for expression in manager["matchStrings"] if regress.Regex(expression).find(line)], reason


def test_packages_and_images_have_a_manager():
    assert {"dockerfile", "github-actions", "helm-values", "pep621", "pip_requirements"} <= set(RENOVATE["enabledManagers"])
    (pattern,) = RENOVATE["pip_requirements"]["managerFilePatterns"]
    assert re.fullmatch(pattern.strip("/"), "constraints.txt")


def test_a_pin_is_read_by_something():
    """A version that nothing reads would be raised for ever without a test that could fail."""
    readers = [ROOT / "Makefile", *(ROOT / "charts" / "root-app").rglob("*.yaml")]
    readers += [path for folder in ("tools", "workflows", "tests") for path in (ROOT / folder).rglob("*.py") if path != Path(__file__)]
    text = "\n".join(path.read_text(encoding="utf-8") for path in readers)
    assert not [key for key in PINS if not re.search(rf"\b{key}\b", text)]
