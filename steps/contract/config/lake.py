"""The block `lake` of the configuration: where the Iceberg lake is. A default lives once, on its field."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from steps.contract.refs import Frozen


class LakeConfig(Frozen):
    """The Iceberg lake. `sql` needs no service; `glue` uses the AWS credential chain."""

    catalog: Literal["sql", "glue"] = Field(
        default="sql", description="kind of the Iceberg catalog: sql (SQLite or another database) or glue"
    )
    uri: str = Field(default="", description="SQLAlchemy URL of the SQL catalog; empty: SQLite in the work folder")
    warehouse: str = Field(default="", description="root of the table files, file:// or s3://; empty: the work folder")
    namespace: str = Field(default="ctp", description="namespace of all tables")
