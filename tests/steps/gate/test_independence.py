"""The gate's judge is never the reward's, however its name is written."""

from __future__ import annotations

import pytest

from steps.contract.config import load_config
from steps.contract.errors import ConfigError

REWARD = {"reward_judge.model": "Qwen/Qwen3-32B", "reward_judge.prompt_version": "v1", "reward_judge.base_url": "http://judge:8000/v1"}


def load(**gate):
    values = REWARD | {f"gate_judge.{name}": value for name, value in gate.items()}
    return load_config(None, tuple(f"{key}={value}" for key, value in values.items()))


@pytest.mark.parametrize(
    "model", ["Qwen/Qwen3-32B", "qwen/qwen3-32b", "QWEN3-32B", " 'Qwen/Qwen3-32B '", "mirror/Qwen3-32B", "/models/Qwen3-32B/", "Ｑwen3-32B"]
)
@pytest.mark.parametrize("url", ["http://judge:8000/v1", "http://JUDGE:8000/v1/", "http://elsewhere:8000/v1"])
def test_the_same_model_and_prompts_are_refused_wherever_it_listens(model, url):
    with pytest.raises(ConfigError, match="gate_judge must differ from reward_judge in model or prompt_version"):
        load(model=model, base_url=url)


def test_spelling_of_the_prompt_version_makes_no_other_judge():
    with pytest.raises(ConfigError, match="must differ"):
        load(model="Qwen3-32B", prompt_version="' V1'")


@pytest.mark.parametrize("other", [{"model": "Qwen3-14B"}, {"model": "Qwen/Qwen3-32B", "prompt_version": "v2"}])
def test_another_model_or_other_prompts_are_another_judge(other):
    assert load(base_url="http://judge:8000/v1", **other).gate_judge.model == other["model"]
