"""The block `curate` of the configuration: which answers become pairs. A default lives once, on its field."""

from __future__ import annotations

from pydantic import Field

from steps.contract.refs import Frozen


class CurateConfig(Frozen):
    """What makes a preference pair."""

    min_chosen_score: float = Field(default=0.7, ge=0, le=1, description="lowest score of a chosen answer, 0-1")
    min_margin: float = Field(default=0.3, ge=0, le=1, description="smallest difference of the scores of a pair, 0-1")
    max_pairs_per_prompt: int = Field(default=1, ge=1, description="pairs of one prompt at most")
    min_pairs: int = Field(default=32, ge=1, description="fewer pairs train nothing: the run ends as rejected")
