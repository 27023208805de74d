"""The block `ingest` of the configuration: where traces come from. A default lives once, on its field."""

from __future__ import annotations

from datetime import date

from pydantic import Field, field_validator

from steps.contract.refs import Frozen


class IngestConfig(Frozen):
    """Where trace files are found and what becomes of them."""

    sources: tuple[str, ...] = Field(default=(), description="trace files or folders read by every run")
    unit_bytes: int = Field(default=64 << 20, gt=0, description="files are grouped into units of about this size")
    contexts_in_prompts: bool = Field(
        default=False,
        description="sections of a user message such as `Context:` are passages that the app retrieved, in traces that do not tell the"
        " user's own words; a user could type them, so leave it off where untrusted users write the whole message",
    )
    closed_after_minutes: float = Field(
        default=0,
        ge=0,
        le=1440,
        description="objects younger than this wait for the next run, so that parts of one trace are mostly read together, minutes",
    )
    overlap_hours: float = Field(
        default=2, ge=0, le=744, description="a run lists from this long before the end of the last one: late uploads are found, hours"
    )
    keep_raw: bool = Field(default=False, description="keep the loop's own raw spans after they are committed to the lake")
    langfuse_since: date | None = Field(
        default=None, description="first day (UTC) that is read of a langfuse:// source; none: the day before the first pull"
    )
    langfuse_raw: str = Field(
        default="", description="folder or s3:// prefix for what the API of a langfuse:// source returns; empty: in the work folder"
    )
    langfuse_lag_minutes: int = Field(
        default=15, ge=1, description="a window of 15 minutes is read from the API when its end lies this far back"
    )
    langfuse_repolls_minutes: tuple[int, ...] = Field(
        default=(60, 1440), max_length=8, description="how long after its end a window is read again for what arrived late, in rising order"
    )
    langfuse_pull_s: int = Field(default=300, ge=1, description="a run reads the API about this long; what is left comes with the next run")

    @field_validator("langfuse_repolls_minutes")
    @classmethod
    def _rising(cls, minutes: tuple[int, ...]) -> tuple[int, ...]:
        if list(minutes) != sorted(set(minutes)) or (minutes and minutes[0] < 1):
            raise ValueError("write minutes above 0 in rising order, as in [60, 1440]")
        return minutes
