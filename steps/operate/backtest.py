"""Step `backtest`: what a changed reward policy would have said about the last weeks. Writes no label."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from pydantic import Field

from steps.contract.refs import ArtifactRef, FromJson, Frozen, TableRef
from steps.contract.spec import StepContext


class Params(Frozen):
    """The changed policy and what to try it on.

    Attributes:
        policy: JSON object of the values that change, by block: `{"label": {"weights": {…}}, "reward_judge": {…}}`.
        days: how many days back from `until`.
        until: last day; empty: the day it is now in UTC.
        sample: at most this many traces, drawn by the hash of their id.
        traces: snapshot; empty: the newest.
    """

    policy: Annotated[dict[str, Any], FromJson]
    days: int = Field(default=30, ge=1, le=365)
    until: date | None = None
    sample: int = Field(default=500, ge=1, le=100_000)
    traces: TableRef | None = None


class Result(Frozen):
    """Old against new on the traces that both scored. Scores are 0-1.

    Attributes:
        old_policy: version of the configured policy.
        new_policy: version of the changed one.
        traces: sampled traces that have a label of the configured policy.
        compared: of these, how many both policies scored.
        mean_old: mean score; None without any.
        mean_new: mean score; None without any.
        shift: mean of new minus old.
        rank_correlation: Spearman's, over `compared`; None when one side is constant.
        pairs_old: preference pairs that curation would build from the sample.
        pairs_new: the same with the new scores.
        pairs_same: pairs with the same chosen and rejected trace on both sides.
        pairs_flipped: pairs whose chosen and rejected changed places.
        llm_calls: requests to the judge; 0 when only weights change.
        report: the figures with the largest changes, by trace id, without text.
    """

    old_policy: str
    new_policy: str
    traces: int
    compared: int
    mean_old: float | None
    mean_new: float | None
    shift: float | None
    rank_correlation: float | None
    pairs_old: int
    pairs_new: int
    pairs_same: int
    pairs_flipped: int
    llm_calls: int
    report: ArtifactRef


def run(params: Params, ctx: StepContext) -> Result:
    """Score a sample with the changed policy and compare.

    Raises:
        ConfigError: the changed values are unknown or out of bounds, or change more than the reward policy.
        TransientError, AccessError: as for `label`.
    """
    from steps.operate.comparison import compare_policies

    return compare_policies(params, ctx)
