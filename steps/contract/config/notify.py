"""The block `notify` of the configuration: who is told how a run ended. A default lives once, on its field."""

from __future__ import annotations

from pydantic import Field

from steps.contract.refs import Frozen


class NotifyConfig(Frozen):
    """Who is told how a workflow ended."""

    webhook_url_file: str = Field(default="", description="mounted file holding the URL that gets a JSON POST; empty: nobody is told")
    timeout_s: float = Field(default=10.0, gt=0, le=60, description="seconds that the webhook may take")
