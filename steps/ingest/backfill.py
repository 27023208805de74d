"""Step `backfill`: plan the files of a range of days, as `ingest` plans all new files.

A file belongs to the days in its path: `year=2026/month=05/day=01`, `2026/05/01`, `2026-05-01` or the window
stamp of a Langfuse export. These are upload times, so the step reads one day after the range, too,
and traces of neighbouring days may come with it: it loses nothing, and ingest repeats nothing.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Literal

from pydantic import Field, model_validator

from steps.contract.refs import Frozen, TextTuple
from steps.contract.spec import StepContext
from steps.ingest.ingest import Result as Result
from steps.ingest.ingest import plan
from steps.ingest.path_dates import day_of


class Params(Frozen):
    """Range of days, and sources to search."""

    since: date = Field(description="first day")
    until: date = Field(description="last day")
    sources: TextTuple = Field(default=(), description="files, folders or URIs beside those of `ingest.sources`")
    undated: Literal["skip", "read"] = Field(default="skip", description="what happens to files whose path names no day")

    @model_validator(mode="after")
    def _in_order(self) -> Params:
        if self.since > self.until:
            raise ValueError(f"since {self.since} is after until {self.until}")
        return self


def run(params: Params, ctx: StepContext) -> Result:
    """Plan every file of the range that no earlier run has committed.

    Raises:
        DataError: a source does not exist.
        AccessError: a source may not be read.
    """

    def in_range(uri: str) -> bool:
        day = day_of(uri)
        if day is None:
            return params.undated == "read"
        return params.since <= day <= params.until + timedelta(days=1)

    return plan((*ctx.config.ingest.sources, *params.sources), ctx, in_range)
