"""Master configuration of NeMo-RL as data: pure, so that every key and number of it can be tested.

It inherits an example of NeMo-RL, whose keys are read without defaults, and replaces the whole `data` block:
inherited, a public dataset would be trained on without an error.
Source: NeMo-RL v0.7.0, examples/configs/dpo.yaml and grpo_math_1B.yaml.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from steps.contract.config.nemo import NemoConfig, epochs_needed, optimizer_steps
from steps.train.nemo.paths import TrainingPaths

Method = Literal["dpo", "grpo"]
EXAMPLES = "/opt/nemo-rl/examples/configs"
BASE = {"dpo": f"{EXAMPLES}/dpo.yaml", "grpo": f"{EXAMPLES}/grpo_math_1B.yaml"}
# What `launch` registers with NeMo-RL.
ENVIRONMENT, PROCESSOR = "ctp_judge", "ctp_prompt"
# NeMo-RL writes sampled answers with their prompts below its log folder: that is a pod's own scratch space.
LOGS = "/tmp/nemo-rl-logs"  # noqa: S108
# NeMo-RL's name of the metric, and whether more of it is better.
METRIC = {"dpo": ("val:validation-default_loss", False), "grpo": ("val:accuracy", True)}


def build_master_config(
    nemo: NemoConfig, method: Method, paths: TrainingPaths, base: Path, rows: tuple[int, int], seed: int, judge: dict[str, Any]
) -> dict[str, Any]:
    """The whole configuration.

    Args:
        nemo: sizes, checked already.
        method: dpo or grpo.
        paths: where data and checkpoints lie.
        base: Hugging Face folder that training starts from.
        rows: training and validation rows.
        seed: of shuffling and sampling.
        judge: what the environment of `steps.train.nemo.actor` is made with; used by GRPO.
    """
    train_rows, validation_rows = rows
    config = {
        "defaults": BASE[method],
        "checkpointing": _checkpointing(nemo, method, paths),
        "policy": _policy(nemo, method, base),
        "data": _data(nemo, method, paths),
        "logger": _logger(),
        "cluster": {"gpus_per_node": nemo.gpus_per_node, "num_nodes": nemo.nodes},
    }
    if method == "dpo":
        return config | {"dpo": _dpo(nemo, train_rows, seed)}
    loss = {"reference_policy_kl_penalty": nemo.grpo.beta}
    return config | {"grpo": _grpo(nemo, train_rows, validation_rows, seed), "loss_fn": loss, "env": {ENVIRONMENT: judge}}


def _checkpointing(nemo: NemoConfig, method: Method, paths: TrainingPaths) -> dict[str, Any]:
    metric, higher = METRIC[method]
    return {
        "enabled": True,
        "checkpoint_dir": str(paths.checkpoints),
        "metric_name": metric,
        "higher_is_better": higher,
        "keep_top_k": nemo.keep_checkpoints,
        "save_period": nemo.save_steps,
        "save_optimizer": True,
        # It would end the run early and well; the pod's deadline bounds the time instead.
        "checkpoint_must_save_by": None,
        # Sharded files alone can be read by none of NeMo-RL's converters.
        "model_save_format": "safetensors",
        "save_consolidated": True,
    }


def _policy(nemo: NemoConfig, method: Method, base: Path) -> dict[str, Any]:
    dpo, grpo = nemo.dpo, nemo.grpo
    batch, micro = (dpo.batch_pairs, dpo.micro_batch_pairs) if method == "dpo" else (grpo.batch_samples, grpo.micro_batch_samples)
    policy: dict[str, Any] = {
        "model_name": str(base),
        "tokenizer": {"name": str(base), "chat_template_kwargs": {"enable_thinking": nemo.enable_thinking}},
        "train_global_batch_size": batch,
        "train_micro_batch_size": micro,
        "max_total_sequence_length": nemo.max_length_tokens,
        "precision": "bfloat16",
        "max_grad_norm": nemo.max_grad_norm,
        "dtensor_cfg": {
            # The example of DPO leaves this out, and the first worker can save no safetensors.
            "_v2": True,
            "enabled": True,
            "tensor_parallel_size": nemo.tensor_parallel,
            "context_parallel_size": nemo.context_parallel,
            "sequence_parallel": nemo.tensor_parallel > 1,
            "activation_checkpointing": nemo.activation_checkpointing,
        },
        "megatron_cfg": {"enabled": False},
        "dynamic_batching": {"enabled": False},
        "sequence_packing": {"enabled": False},
        "make_sequence_length_divisible_by": nemo.tensor_parallel * (2 * nemo.context_parallel if nemo.context_parallel > 1 else 1),
        "optimizer": {"kwargs": {"lr": dpo.learning_rate if method == "dpo" else grpo.learning_rate}},
        "scheduler": _scheduler(nemo.warmup_steps),
    }
    if method == "grpo":
        policy |= {"logprob_batch_size": micro, "generation": _generation(nemo)}
    return policy


def _scheduler(warmup_steps: int) -> list[dict[str, Any]]:
    """A rise to the learning rate, then constant."""
    rise = {"start_factor": 0.1, "end_factor": 1.0, "total_iters": warmup_steps}
    return [
        {"name": "torch.optim.lr_scheduler.LinearLR", "kwargs": rise},
        {"name": "torch.optim.lr_scheduler.ConstantLR", "kwargs": {"factor": 1.0, "total_iters": 10**10}},
        {"milestones": [warmup_steps]},
    ]


def _generation(nemo: NemoConfig) -> dict[str, Any]:
    apart = nemo.grpo.generation_nodes > 0
    own = {"num_nodes": nemo.grpo.generation_nodes, "gpus_per_node": nemo.gpus_per_node}
    return {
        "backend": "vllm",
        "max_new_tokens": nemo.grpo.max_answer_tokens,
        # As in production: a greedy policy would have nothing to compare.
        "temperature": 1.0,
        "top_p": 1.0,
        "top_k": None,
        "vllm_cfg": {
            "async_engine": apart,
            "tensor_parallel_size": nemo.grpo.generation_tensor_parallel,
            "max_model_len": nemo.max_length_tokens,
        },
        # NeMo-RL takes these nodes out of the cluster's; each must give all its GPUs.
        "colocated": {"enabled": False, "resources": own} if apart else {"enabled": True},
    }


def _data(nemo: NemoConfig, method: Method, paths: TrainingPaths) -> dict[str, Any]:
    if method == "dpo":
        kind = {"dataset_name": "PreferenceDataset"}
    else:
        kind = {"dataset_name": "ResponseDataset", "env_name": ENVIRONMENT, "processor": PROCESSOR}
        # Kept null: the example's prompt file is a mathematician's, and it would format the texts of traces.
        kind |= {"prompt_file": None, "system_prompt_file": None}  # type: ignore[dict-item]
    return {
        "_override_": True,
        "max_input_seq_length": nemo.max_length_tokens,
        "shuffle": True,
        "num_workers": 1,
        "train": kind | {"data_path": str(paths.data / "train.jsonl")},
        "validation": kind | {"data_path": str(paths.data / "validation.jsonl")},
    } | ({"use_multiple_dataloader": False} if method == "grpo" else {})


def _logger() -> dict[str, Any]:
    """Nothing is sent anywhere, and no sample is printed: curves come from the checkpoints, text stays out of logs."""
    off = {f"{name}_enabled": False for name in ("wandb", "tensorboard", "mlflow", "swanlab")}
    return {"log_dir": LOGS, "monitor_gpus": False, "num_val_samples_to_print": 0, **off}


def _dpo(nemo: NemoConfig, rows: int, seed: int) -> dict[str, Any]:
    copies = nemo.data_parallel("dpo")
    batch = copies * nemo.dpo.micro_batch_pairs
    return {
        "max_num_epochs": nemo.dpo.epochs,
        "max_num_steps": optimizer_steps(nemo, "dpo", rows),
        "val_period": nemo.save_steps,
        "val_at_start": False,
        "val_at_end": True,
        # All of them: how many rows are held out is bounded.
        "val_batches": 0,
        "val_global_batch_size": batch,
        "val_micro_batch_size": nemo.dpo.micro_batch_pairs,
        "seed": seed,
        "reference_policy_kl_penalty": nemo.dpo.beta,
        "preference_loss_weight": 1,
        "sft_loss_weight": nemo.dpo.sft_weight,
        "sft_average_log_probs": True,
    }


def _grpo(nemo: NemoConfig, rows: int, validation_rows: int, seed: int) -> dict[str, Any]:
    return {
        "num_prompts_per_step": nemo.grpo.prompts_per_step,
        "num_generations_per_prompt": nemo.grpo.num_generations,
        "max_rollout_turns": 1,
        "max_num_epochs": epochs_needed(nemo, "grpo", rows),
        "max_num_steps": optimizer_steps(nemo, "grpo", rows),
        "val_period": nemo.save_steps,
        "val_at_start": False,
        "val_at_end": True,
        # Equal: a batch larger than the bound would be no batch, and the metric 0.
        "max_val_samples": validation_rows,
        "val_batch_size": validation_rows,
        "seed": seed,
        "async_grpo": {"enabled": False},
    }
