"""Opening the Iceberg catalog, and its failures as typed errors."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from steps.contract.errors import AccessError, ConfigError, TransientError

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

    from steps.contract.config import PipelineConfig


@contextlib.contextmanager
def unless(exists: Callable[[], bool]) -> Iterator[None]:
    """Creating something that another process may create at the same time: whoever loses goes on with the other's."""
    try:
        yield
    except Exception:
        if not exists():
            raise


@contextlib.contextmanager
def storage_errors(what: str) -> Iterator[None]:
    """Turn the catalog's and the object store's failures into typed errors, by their class names."""
    try:
        yield
    except Exception as error:
        kind, text = type(error).__name__, " ".join(str(error).split())
        module = type(error).__module__.partition(".")[0]
        if module == "sqlalchemy" and ("readonly" in text or "unable to open" in text):
            raise AccessError(
                f"{what}: the catalog database cannot be opened for writing: check lake.uri and the folder's permissions"
            ) from error
        if module == "sqlalchemy" and kind in ("OperationalError", "InterfaceError", "TimeoutError") and "full" not in text:
            raise TransientError(f"{what}: the catalog database does not answer or is locked: run the same command again") from error
        if module in ("botocore", "boto3") or kind in ("ForbiddenError", "UnauthorizedError"):
            if "Credential" in kind or "AccessDenied" in text or "Forbidden" in text or kind in ("ForbiddenError", "UnauthorizedError"):
                raise AccessError(f"{what}: access denied by AWS: check the role of this service account") from error
            raise TransientError(f"{what}: AWS did not answer ({kind}): run the same command again") from error
        raise


def open_catalog(config: PipelineConfig, workdir: Path) -> Catalog:
    """Open the configured catalog; a SQL catalog makes its own tables."""
    lake = config.lake
    if lake.catalog == "glue":
        if not lake.warehouse.startswith("s3://"):
            raise ConfigError("lake.warehouse: the glue catalog needs an s3:// folder, as in s3://bucket/warehouse")
        from pyiceberg.catalog.glue import GlueCatalog

        return GlueCatalog("ctp", warehouse=lake.warehouse)
    from pyiceberg.catalog.sql import SqlCatalog

    folder = (workdir / "lake").resolve()
    if not lake.uri or not lake.warehouse:
        folder.mkdir(parents=True, exist_ok=True)
    uri = lake.uri or f"sqlite:///{folder / 'catalog.db'}"
    warehouse = lake.warehouse or f"file://{folder / 'warehouse'}"
    try:
        return SqlCatalog("ctp", uri=uri, warehouse=warehouse)
    except Exception as error:
        if "already exists" not in str(error):
            raise
        return SqlCatalog("ctp", uri=uri, warehouse=warehouse)  # another process made the tables a moment ago
