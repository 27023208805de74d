"""The block `ingest` of the configuration: where traces come from. A default lives once, on its field."""

from __future__ import annotations

from pydantic import Field

from steps.contract.refs import Frozen


class IngestConfig(Frozen):
    """Where trace files are found and what becomes of them."""

    sources: tuple[str, ...] = Field(default=(), description="trace files or folders read by every run")
    unit_bytes: int = Field(default=64 << 20, gt=0, description="files are grouped into units of about this size")
    keep_raw: bool = Field(default=False, description="keep the loop's own raw spans after they are committed to the lake")
