"""The block `govern` of the configuration: what the data gates allow. A default lives once, on its field."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from steps.contract.refs import Frozen

PersonalKind = Literal[
    "secret",
    "credentials",
    "national_id",
    "card",
    "iban",
    "account",
    "document",
    "encoded",
    "email",
    "phone",
    "ip",
    "mac",
    "date_of_birth",
    "address",
    "name",
]
"""Kinds of personal data and secrets, the gravest first."""


class GovernConfig(Frozen):
    """The four gates. What is not known is refused."""

    allowed_regions: tuple[str, ...] = Field(
        default=("eu-west-1", "eu-central-1", "us-east-1", "us-west-2", "ap-northeast-2"), description="regions whose traces may be used"
    )
    region_default: str = Field(default="", description="region of a source whose spans carry none; empty: refuse them")
    max_confidentiality: Literal["public", "internal", "confidential"] = Field(
        default="internal", description="highest confidentiality class that may be used"
    )
    confidentiality_default: Literal["", "public", "internal", "confidential"] = Field(
        default="", description="class of a source whose spans carry none; empty: refuse them"
    )
    pii_action: Literal["mask", "drop"] = Field(
        default="drop",
        description="drop: refuse the trace, since a name beside an e-mail address may go unseen; mask: keep it with placeholders",
    )
    pii_always_drop: tuple[PersonalKind, ...] = Field(
        default=("secret", "credentials", "national_id", "card", "iban", "account", "document", "encoded"),
        description="kinds that refuse the trace even where the others are masked",
    )
    user_key_file: str = Field(default="", description="file with the key that hashes user ids; empty: made in the work folder")
