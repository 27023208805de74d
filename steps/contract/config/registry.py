"""The block `registry` of the configuration: MLflow and the model store. A default lives once, on its field."""

from __future__ import annotations

from pydantic import Field

from steps.contract.refs import Frozen


class RegistryConfig(Frozen):
    """The MLflow registry."""

    tracking_uri: str = Field(default="", description="MLflow URI; empty: SQLite in the work folder")
    model_store: str = Field(
        default="", description="file:///FOLDER or s3://BUCKET/PREFIX that registered models are copied to; empty: they stay where they are"
    )
