from __future__ import annotations

import pytest
import yaml

from steps.contract.config import CanaryConfig, PipelineConfig
from steps.contract.errors import ConfigError
from workflows.generate.derived import HEADER, canary_steps, canary_values, derived_path, derived_text, stale, write


def test_the_file_holds_every_default_and_the_canary():
    text = derived_text(PipelineConfig())
    document = yaml.safe_load(text)["derived"]
    assert text.startswith(HEADER)
    assert document["pipeline"] == PipelineConfig().model_dump(mode="json")
    assert document["canary"] == canary_values(CanaryConfig())
    assert text == derived_text(PipelineConfig())


def test_queries_stay_readable():
    text = derived_text(PipelineConfig())
    assert "query: |-" in text and "\\n" not in text


def test_steps_hold_every_weight_but_the_last():
    config = CanaryConfig(weights=(10, 50, 100), holds_s=(0, 90))
    assert canary_steps(config) == [{"weight": 10, "hold": ""}, {"weight": 50, "hold": "90s"}, {"weight": 100, "hold": ""}]


def test_a_missing_hold_is_refused():
    with pytest.raises(ConfigError, match="2 entries for 1 weights below 100"):
        canary_steps(CanaryConfig(weights=(10, 100)))


def test_stale_until_written(tmp_path):
    text = derived_text(PipelineConfig())
    (tmp_path / derived_path("kind")).parent.mkdir(parents=True)
    assert stale("kind", text, tmp_path)
    write("kind", text, tmp_path)
    assert not stale("kind", text, tmp_path)
    (tmp_path / derived_path("kind")).write_text("edited: by hand\n")
    assert stale("kind", text, tmp_path)
