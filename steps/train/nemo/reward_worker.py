"""Reward worker, the child process of `steps.train.nemo.reward_client`: cases as JSON lines on stdin, scores as JSON lines on stdout.

It runs with the Python that has our dependencies, so the reward is the same code as in `steps.train.reward`.
Usage: `python -m steps.train.nemo.reward_worker CONFIG`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from steps.contract.config import PipelineConfig, load_config
from steps.contract.errors import PipelineError
from steps.scoring.metrics import Scorer
from steps.scoring.reward import weighted
from steps.train.reward import reward_of

# A case is one line: a question, its contexts and an answer.
LINE_BYTES = 64 << 20


async def score(scorer: Scorer, config: PipelineConfig, case: dict[str, Any]) -> dict[str, Any]:
    """The reply to one case: a score, 0-1, or None and the kind of the failure."""
    try:
        scores = await scorer.score(case["question"], case["contexts"], case["answer"])
    except Exception as error:
        return {"id": case["id"], "score": None, "error": type(error).__name__}
    return {"id": case["id"], "score": reward_of(scores, config.label.weights), "error": ""}


async def serve(config: PipelineConfig) -> None:
    """Answer until stdin ends. Replies come as they are ready, in any order."""
    reader = asyncio.StreamReader(limit=LINE_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    running: set[asyncio.Task[None]] = set()

    async def reply(line: bytes) -> None:
        scores = await score(scorer, config, json.loads(line))
        sys.stdout.write(json.dumps(scores) + "\n")
        sys.stdout.flush()

    async with Scorer(config.reward_judge, metrics=tuple(weighted(config.label.weights))) as scorer:
        while line := await reader.readline():
            task = asyncio.ensure_future(reply(line))
            running.add(task)
            task.add_done_callback(running.discard)
        await asyncio.gather(*running)


def main() -> int:
    """Run as a script."""
    try:
        asyncio.run(serve(load_config(Path(sys.argv[1]))))
    except PipelineError as error:
        sys.stderr.write(f"{error.headline}: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
