"""The `workflows:` block of the environments."""

from __future__ import annotations

import pytest
import yaml

from steps.contract.errors import ConfigError
from workflows.environment import ENVIRONMENTS, Workflows, load_environment

from .rendered import ROOT


def values(environment: str) -> dict:
    return yaml.safe_load((ROOT / "charts" / "environments" / environment / "values.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_values_hold_only_what_differs_from_the_defaults(environment):
    block = values(environment)["workflows"]
    defaults = Workflows(image=block["image"], defaults={"golden": block["defaults"]["golden"]}).model_dump(mode="json")

    def same(given: dict, default: dict, path: str) -> list[str]:
        found = []
        for key, value in given.items():
            if path == "compute" or not isinstance(value, dict):
                found += [f"{path}.{key}"] if value == default[key] and key not in ("image", "golden") else []
            else:
                found += same(value, default[key], key)
        return found

    assert same(block, defaults, "workflows") == []


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_images_are_the_pinned_ones(environment):
    lines = (ROOT / "versions.env").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    flows = load_environment(environment).workflows
    for image in filter(None, (flows.image, flows.train_image)):
        assert image.startswith(pins["IMAGE_REPOSITORY"]) and (image.endswith(f":{pins['IMAGE_TAG']}") or "@sha256:" in image)


@pytest.mark.parametrize(
    ("block", "key"),
    [
        ("image: x\n  defaults: {golden: /g}", "workflows.image"),
        ("image: ghcr.io/a/b:1", "workflows.defaults"),
        ("image: ghcr.io/a/b:1\n  defaults: {golden: /g, method: ppo}", "workflows.defaults.method"),
        ("image: ghcr.io/a/b:1\n  defaults: {golden: /g}\n  retry: {}", "workflows.retry"),
        ("defaults: {golden: /g}", "workflows.image"),
    ],
)
def test_a_wrong_value_is_named(tmp_path, block, key):
    folder = tmp_path / "charts" / "environments" / "here"
    folder.mkdir(parents=True)
    (folder / "values.yaml").write_text(f"pipeline: {{}}\nworkflows:\n  {block}\n")
    with pytest.raises(ConfigError, match=key):
        load_environment("here", tmp_path)


def test_an_environment_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        load_environment("nowhere", tmp_path)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_configuration_is_read_by_the_steps(environment):
    pipeline = load_environment(environment).pipeline
    assert pipeline.release.environment == environment
    assert pipeline.reward_judge.base_url and pipeline.gate_judge.base_url
    assert (pipeline.lake.catalog == "glue") == (environment != "kind")
