"""Arithmetic of the GPUs: what cannot run is refused before one starts."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from steps.contract.config.nemo import NemoConfig, epochs_needed, optimizer_steps


def test_the_defaults_fit_three_nodes_of_eight():
    nemo = NemoConfig()
    assert (nemo.gpus, nemo.data_parallel("dpo"), nemo.data_parallel("grpo")) == (24, 24, 16)
    assert nemo.enabled is False


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"dpo": {"batch_pairs": 128}}, "batch_pairs 128 must be a multiple of 24"),
        ({"dpo": {"batch_pairs": 96, "micro_batch_pairs": 3}}, "multiple of 72"),
        ({"grpo": {"generation_nodes": 0}}, "batch_samples 512 must be a multiple of 24"),
        ({"grpo": {"generation_nodes": 3}}, "leaves none of 3 nodes"),
        ({"grpo": {"batch_samples": 384}}, "must divide prompts_per_step x num_generations = 512"),
        ({"grpo": {"batch_samples": 512, "micro_batch_samples": 3}}, "multiple of 48"),
        ({"tensor_parallel": 3}, "must divide gpus_per_node"),
        ({"context_parallel": 5}, "do not divide"),
        ({"grpo": {"generation_tensor_parallel": 3}}, "generation_tensor_parallel"),
        ({"max_length_tokens": 1024}, "leaves no room for a prompt"),
        ({"nodes": 0}, "greater than or equal to 1"),
        ({"node": 3}, "Extra inputs"),
    ],
)
def test_what_nemo_rl_would_only_notice_on_the_gpus(change, said):
    with pytest.raises(ValidationError, match=said):
        NemoConfig.model_validate(change)


@pytest.mark.parametrize(
    "change",
    [
        {"nodes": 1, "grpo": {"generation_nodes": 0}},
        {"tensor_parallel": 2},
        {"nodes": 2, "dpo": {"batch_pairs": 64}},
        {"grpo": {"batch_samples": 128, "micro_batch_samples": 4, "generation_tensor_parallel": 8}},
        {"grpo": {"generation_nodes": 0, "prompts_per_step": 48, "batch_samples": 768}},
        {"context_parallel": 2, "tensor_parallel": 4},
    ],
)
def test_what_fits(change):
    nemo = NemoConfig.model_validate(change)
    for method, batch in (("dpo", nemo.dpo.batch_pairs), ("grpo", nemo.grpo.batch_samples)):
        assert nemo.data_parallel(method) >= 1 and batch % nemo.data_parallel(method) == 0


def test_steps_count_full_batches_only():
    nemo = NemoConfig.model_validate({"dpo": {"epochs": 3}})
    assert [optimizer_steps(nemo, "dpo", rows) for rows in (95, 96, 191, 192)] == [0, 3, 3, 6]
    assert [optimizer_steps(nemo, "grpo", rows) for rows in (31, 32)] == [0, 100]
    assert epochs_needed(nemo, "grpo", 64) == 50 and epochs_needed(nemo, "grpo", 95) == 50 and epochs_needed(nemo, "grpo", 4000) == 1
