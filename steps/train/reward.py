"""The reward of GRPO: asks the same judge, through the same code, that labels production traces."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from steps.config import PipelineConfig
    from steps.train.grpo import Reward
