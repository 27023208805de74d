"""The schema of an environment's values says what the models say."""

from __future__ import annotations

import copy
from typing import Any

import jsonschema
import pytest
import yaml

from workflows.environment import ENVIRONMENTS, ROOT
from workflows.generate.value_schema import schema

VALIDATOR = jsonschema.Draft202012Validator(schema())


def values(environment: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "charts" / "environments" / environment / "values.yaml").read_text())
    return loaded


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_environment_fits_and_names_the_schema(environment):
    assert [error.message for error in VALIDATOR.iter_errors(values(environment))] == []
    text = (ROOT / "charts" / "environments" / environment / "values.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=../../values.schema.json\n")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("pipeline", "gate", "min_faithfulnes"), 0.9),
        (("pipeline", "gate", "min_faithfulness"), 1.1),
        (("pipeline", "lake", "catalog"), "hive"),
        (("workflows", "schedulez"), {}),
    ],
)
def test_a_wrong_key_or_bound_is_refused_with_its_path(path, value):
    wrong = copy.deepcopy(values("kind"))
    block = wrong
    for key in path[:-1]:
        block = block.setdefault(key, {})
    block[path[-1]] = value
    (error,) = VALIDATOR.iter_errors(wrong)
    unknown = error.validator == "additionalProperties"
    assert tuple(error.absolute_path) == (path[:-1] if unknown else path)
    assert not unknown or path[-1] in error.message
