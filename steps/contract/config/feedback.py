"""The block `feedback` of the configuration: which scores are users' verdicts. A default lives once, on its field."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from steps.contract.refs import Frozen

_THUMB_NAMES = (
    *("user_feedback", "userfeedback", "feedback", "thumbs", "thumb", "user_thumbs", "thumbs_up", "rating_thumb"),
    *("helpful", "is_helpful", "liked", "like", "vote"),
)
_RATING_NAMES = ("rating", "user_rating", "stars", "star_rating", "csat")
_THUMB_LABELS = {
    **dict.fromkeys(("up", "thumbs_up", "thumb_up", "thumbsup", "positive", "good", "like", "liked", "yes", "true", "helpful"), 1.0),
    **dict.fromkeys(("down", "thumbs_down", "thumb_down", "thumbsdown", "negative", "bad", "dislike", "disliked", "no", "false"), 0.0),
    **dict.fromkeys(("unhelpful", "not_helpful"), 0.0),
    "neutral": 0.5,
}


class FeedbackRule(Frozen):
    """What the scores of some names mean."""

    model_config = ConfigDict(serialize_by_alias=True)

    name: tuple[str, ...] = Field(
        min_length=1, description="names of scores; upper case, - . and space do not matter; a * at the end stands for any rest"
    )
    type: Literal["categorical", "boolean", "numeric", "any"] = Field(default="any", description="type of data that the rule is for")
    map: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(
        default={}, description="verdict of each label of a categorical score, 0 worst, 1 best"
    )
    range: tuple[float, float] | None = Field(default=None, description="worst and best number of a numeric score")
    as_: Literal["verdict", "consent", "ignore"] = Field(
        default="verdict", alias="as", description="verdict: of a user; consent: a claim about the trace; ignore: neither"
    )

    @model_validator(mode="after")
    def _whole(self) -> FeedbackRule:
        if self.as_ == "verdict" and self.type == "any":
            raise ValueError(f"the rule of {self.name[0]}: a verdict needs a type: categorical, boolean or numeric")
        if (self.type == "categorical" and self.as_ == "verdict") != bool(self.map):
            raise ValueError(f"the rule of {self.name[0]}: a categorical verdict has a map, and no other rule has one")
        if (self.type == "numeric" and self.as_ == "verdict") != (self.range is not None):
            raise ValueError(f"the rule of {self.name[0]}: a numeric verdict has a range, and no other rule has one")
        if self.range is not None and (self.range[0] == self.range[1] or not all(map(math.isfinite, self.range))):
            raise ValueError(f"the rule of {self.name[0]}: its range needs two numbers that differ")
        return self


class FeedbackConfig(Frozen):
    """Scores that are a user's verdict on an answer. The first rule that fits decides."""

    rules: tuple[FeedbackRule, ...] = Field(
        default=(
            FeedbackRule.model_validate({"name": ("ctp.*",), "as": "ignore"}),
            FeedbackRule.model_validate({"name": ("consent", "user_consent", "training_consent"), "as": "consent"}),
            FeedbackRule(name=(*_THUMB_NAMES, *_RATING_NAMES), type="categorical", map=_THUMB_LABELS),
            FeedbackRule(name=(*_THUMB_NAMES, "accepted", "solved", "resolved"), type="boolean"),
            FeedbackRule(name=_THUMB_NAMES, type="numeric", range=(0, 1)),
            # Not `user_rating`: as many write 0 and 1 under it as 1 to 5.
            FeedbackRule(name=("rating", "stars", "star_rating", "csat"), type="numeric", range=(1, 5)),
            FeedbackRule(name=("nps",), type="numeric", range=(0, 10)),
            FeedbackRule(name=("sentiment", "user_sentiment"), type="numeric", range=(-1, 1)),
        ),
        description="what scores mean by name and type; names without a rule are counted in the report and change nothing",
    )
    sources: tuple[str, ...] = Field(
        default=("API", "ANNOTATION"), description="sources of scores that are people; EVAL is a model's opinion and no user feedback"
    )
