from __future__ import annotations

import pytest

from steps.chat.trace import model_partition


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("agent-model", "agent-model"),
        ("Qwen/Qwen3-4B", "Qwen-Qwen3-4B"),
        ("", "unknown"),
        ("../..", "unknown"),
        ("모델", "unknown"),
        ("x" * 99, "x" * 64),
    ],
)
def test_model_name_is_a_safe_partition_value(name, expected):
    assert model_partition(name) == expected
