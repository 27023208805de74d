"""The block `upkeep` of the configuration: retention and maintenance. A default lives once, on its field."""

from __future__ import annotations

from pydantic import Field

from steps.contract.refs import Frozen


class UpkeepConfig(Frozen):
    """Retention, compaction and clean-up of the lake."""

    retention_days: int = Field(default=90, ge=1, description="older traces, their labels and datasets are deleted")
    snapshot_days: int = Field(default=14, ge=0, description="snapshots younger than this stay readable; tagged ones stay until untagged")
    inflight_hours: float = Field(
        default=24.0, ge=0, description="no unreferenced file younger than this is deleted: it may be a write in progress"
    )
    model_days: int = Field(default=90, ge=1, description="files of older models go, but never those of the last champions")
    keep_generations: int = Field(default=3, ge=3, description="champions whose files always stay, the one that serves included")
    compact_files: int = Field(default=8, ge=2, description="a closed date with more data files in one partition is rewritten")
