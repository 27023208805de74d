"""Watermarks of sources: up to when each was listed and committed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from steps.store.lake import Lake

WATERMARK_STAGE = "ingest-watermark"


def read_watermarks(lake: Lake) -> dict[str, datetime]:
    """Source -> moment up to which its objects are committed, UTC."""
    return {record.payload["source"]: datetime.fromisoformat(record.payload["until"]) for record in lake.run_records(WATERMARK_STAGE)}


def write_watermarks(lake: Lake, marks: Mapping[str, datetime], run_id: str) -> None:
    """Move watermarks forward; one that is further already stays."""
    earlier = read_watermarks(lake)
    for source, until in marks.items():
        if until > earlier.get(source, until.min.replace(tzinfo=until.tzinfo)):
            payload = {"source": source, "until": until.isoformat()}
            lake.append_run_record(run_id, WATERMARK_STAGE, payload, key=f"{WATERMARK_STAGE}:{source}")
