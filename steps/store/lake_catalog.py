"""Opening the Iceberg catalog, and its failures as typed errors."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from steps.contract.errors import AccessError, ConfigError, PipelineError, TransientError
from steps.store.aws_errors import typed_error

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
    """Turn the catalog's and the object store's failures into typed errors, by type and code."""
    try:
        yield
    except Exception as error:
        known = _database_error(error, what) or typed_error(error, what) or _rest_error(error, what)
        if known is None:
            raise
        raise known from error


def _database_error(error: Exception, what: str) -> PipelineError | None:
    """A failure of the catalog's database by the driver's type, and SQLite's by its error name."""
    if type(error).__module__.partition(".")[0] != "sqlalchemy":
        return None
    name = str(getattr(getattr(error, "orig", None), "sqlite_errorname", ""))
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")):
        return AccessError(f"{what}: the catalog database cannot be opened for writing: check lake.uri and the folder's permissions")
    if name.startswith("SQLITE_FULL"):
        return TransientError(f"{what}: no space left on the disk of the catalog database: free some space and run the same command again")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_IOERR", "SQLITE_PROTOCOL")) or (
        not name and type(error).__name__ in ("OperationalError", "InterfaceError", "TimeoutError")
    ):
        return TransientError(f"{what}: the catalog database does not answer or is locked: run the same command again")
    return None


def _rest_error(error: Exception, what: str) -> PipelineError | None:
    """A refusal by PyIceberg's own exception types."""
    if type(error).__name__ in ("ForbiddenError", "UnauthorizedError"):
        return AccessError(f"{what}: access denied by the catalog: check the role of this service account")
    return None


def open_catalog(config: PipelineConfig, workdir: Path) -> Catalog:
    """Open the configured catalog; a SQL catalog makes its own tables."""
    lake = config.lake
    if lake.catalog == "glue":
        if not lake.warehouse.startswith("s3://"):
            raise ConfigError("lake.warehouse: the glue catalog needs an s3:// folder, as in s3://bucket/warehouse")
        from pyiceberg.catalog.glue import GlueCatalog

        return GlueCatalog("ctp", warehouse=lake.warehouse)
    from pyiceberg.catalog.sql import SqlCatalog
    from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

    folder = (workdir / "lake").resolve()
    if not lake.uri or not lake.warehouse:
        folder.mkdir(parents=True, exist_ok=True)
    uri = lake.uri or f"sqlite:///{folder / 'catalog.db'}"
    warehouse = lake.warehouse or f"file://{folder / 'warehouse'}"
    try:
        return SqlCatalog("ctp", uri=uri, warehouse=warehouse)
    except (IntegrityError, OperationalError, ProgrammingError) as error:
        # Another process may have made the tables a moment ago; drivers tell that apart by text alone,
        # and SQLite gives it its general code. What is wrong otherwise is wrong the second time too.
        if getattr(error.orig, "sqlite_errorcode", sqlite3.SQLITE_ERROR) != sqlite3.SQLITE_ERROR:
            raise
        return SqlCatalog("ctp", uri=uri, warehouse=warehouse)
