"""Overview of lake, registry and pin: what `ctp status` prints where this machine has no run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from steps.contract.config import PipelineConfig
from steps.contract.spec import StepContext
from steps.release.change import current
from steps.store.aliases import CANDIDATE, CHAMPION, PREVIOUS
from steps.store.lake import open_lake
from steps.store.registry import open_registry
from steps.store.schemas import TABLES
from steps.store.units import UNIT_STAGE


def overview(config: PipelineConfig, workdir: Path) -> dict[str, Any]:
    """Tables with their snapshot and rows, the registry's aliases, the released model, what workflows recorded.

    Returns:
        `tables` {name: table@snapshot}, `rows` {name: count}; `champion`, `candidate`, `previous` and `pinned`, each
        `model@version` or None; `released`: pin and agent manifest as they stand in Git; `records`: decisions and
        outcomes of workflows {run_id, stage, at, payload}, oldest first.

    Raises:
        PipelineError: lake, registry or repository cannot be read.
    """
    with open_lake(config, workdir) as lake:
        tables = {table: str(lake.current(table)) for table in TABLES}
        newest = {table: (lake.history(table) or [{}])[-1] for table in TABLES}
        records = [
            {"run_id": record.run_id, "stage": record.stage, "at": str(record.at), "payload": record.payload}
            for record in lake.run_records()
            if record.stage != UNIT_STAGE
        ]
    client = open_registry(config, workdir)
    aliases = client.aliases(config.model_name)
    named = {alias: f"{config.model_name}@{aliases[alias]}" if alias in aliases else None for alias in (CHAMPION, CANDIDATE, PREVIOUS)}
    pin, agent = current(StepContext(config=config, run_id="status", workdir=workdir))
    released = {"model": pin.model_dump(mode="json"), "agent": agent.model_dump(mode="json") if agent else None}
    rows = {table: int(summary.get("total-records", 0)) for table, summary in newest.items()}
    pinned = str(pin.ref) if pin.ref else None
    return {"tables": tables, "rows": rows, **named, "pinned": pinned, "released": released, "records": records}
