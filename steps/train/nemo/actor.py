"""The judge as an environment of NeMo-RL: a Ray actor, imported by NeMo-RL's own Python only.

One turn: an answer comes in, its reward goes out, the episode is over.
Source: NeMo-RL v0.7.0, nemo_rl/environments/interfaces.py.
"""

from __future__ import annotations

from typing import Any

import ray
import torch
from nemo_rl.environments.interfaces import EnvironmentInterface, EnvironmentReturn

from steps.train.nemo.reward_client import RewardClient


class JudgeEnvironment(EnvironmentInterface):  # type: ignore[misc]
    """Rewards answers with the judge that labels production traces.

    Args:
        cfg: arguments of `RewardClient`.
    """

    def __init__(self, cfg: dict[str, Any]) -> None:
        self._rewards = RewardClient(**cfg)

    async def step(self, message_log_batch: list[list[dict[str, Any]]], metadata: list[dict[str, Any]]) -> Any:
        """Reward the last message of each conversation."""
        answers = [log[-1]["content"] for log in message_log_batch]
        rewards = await self._rewards.rewards(metadata, answers)
        count = len(rewards)
        return EnvironmentReturn(
            # Tokenized and appended: nothing may be said.
            observations=[{"role": "environment", "content": ""} for _ in range(count)],
            metadata=metadata,
            next_stop_strings=[None] * count,
            rewards=torch.tensor(rewards, dtype=torch.float32),
            terminateds=torch.ones(count),
            answers=None,
        )

    async def shutdown(self) -> None:
        """End the child process."""
        await self._rewards.close()

    def global_post_process_and_metrics(self, batch: Any) -> tuple[Any, dict[str, Any]]:
        """Required by the interface; NeMo-RL's GRPO does not call it."""
        return batch, {}


JudgeActor = ray.remote(max_restarts=-1, max_task_retries=-1)(JudgeEnvironment)
