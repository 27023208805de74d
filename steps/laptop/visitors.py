"""`ctp traffic --gateway`: the sample domain's users ask through a gateway that runs already, for a while.

A cluster without real users gets its live traffic this way, while a release goes on.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from steps.contract.config import PipelineConfig
from steps.contract.errors import ConfigError, DataError
from steps.contract.files import read_json
from steps.laptop.live import endless_asks
from steps.laptop.people import make_people
from steps.laptop.users import Users
from steps.laptop.world.domain import World


def visit(
    config: PipelineConfig, workdir: Path, *, gateway: str, to: Path, name: str, seconds: float, users: int, pause_s: float
) -> dict[str, Any]:
    """Ask until the time is over; answers in flight are awaited.

    Args:
        config: the pipeline's configuration.
        workdir: a folder that was bootstrapped: its world is asked about.
        gateway: root URL, as in http://inference-gateway:8080.
        to: folder of the users' span files, made if needed.
        name: part of every trace id; the same name asks the same again.
        seconds: how long.
        users: how many ask.
        pause_s: how long each of them thinks before the next question.

    Returns:
        `sent`, `answered`, `errors` (failed answers to well-formed requests), `broken` (refused for their own fault),
        `by_version` {model version: answers}, `seconds`, `p99_ms`.

    Raises:
        DataError: the folder was not bootstrapped.
        ConfigError: the gateway is no http URL.
    """
    if urlsplit(gateway).scheme not in ("http", "https"):
        raise ConfigError(f"--gateway {gateway!r} is no URL, as in http://inference-gateway:8080")
    if not (workdir / "world.json").exists():
        raise DataError(f"{workdir}: no world to ask about: run ctp bootstrap --workdir {workdir} first")
    world = World.create(read_json(workdir / "world.json")["seed"])
    to.mkdir(parents=True, exist_ok=True)
    people = make_people(world.seed, config.govern.allowed_regions)
    crowd = Users(gateway.rstrip("/"), model=config.model_name, spans_dir=to, world_seed=world.seed, run_id=name, phase="visit")
    began = time.monotonic()

    async def ask() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(seconds, stop.set)
        await crowd.run(endless_asks(world, people, name), concurrency=users, on_answer=lambda: None, stop=stop, pause_s=pause_s)

    asyncio.run(ask())
    tally = crowd.tally
    ordered = sorted(tally.latencies_ms)
    return {
        "sent": tally.sent,
        "answered": tally.answered,
        "errors": tally.errors,
        "broken": tally.refused_as_broken,
        "by_version": dict(tally.by_version),
        "seconds": round(time.monotonic() - began, 1),
        "p99_ms": round(ordered[int(0.99 * (len(ordered) - 1))], 1) if ordered else None,
    }
