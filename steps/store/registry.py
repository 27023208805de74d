"""The MLflow model registry.

Nothing is imported or opened before a factory is called. Every failure leaves here
as a typed error, so that no stage reads a foreign library's messages.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import logging
import os
import time
import warnings
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steps.contract.errors import AccessError, ConfigError, DataError, PipelineError, TransientError

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

    from steps.contract.config import PipelineConfig

_LOCK_SUFFIX = ".moving-aliases"
_LOCK_LEASE_S = 120.0


def registry_uri(config: PipelineConfig, workdir: Path) -> str:
    """The configured MLflow URI, or a SQLite file below the work folder.

    Raises:
        ConfigError: the URI has a scheme that MLflow's registry does not serve.
    """
    uri = config.registry.tracking_uri
    if uri.partition(":")[0] not in ("", "sqlite", "postgresql", "mysql", "http", "https"):
        raise ConfigError(f"registry.tracking_uri {uri!r}: use sqlite:///…, postgresql://…, mysql://… or http(s)://…")
    if uri:
        return uri
    return f"sqlite:///{(workdir / 'mlflow' / 'mlflow.db').absolute()}"


def open_registry(config: PipelineConfig, workdir: Path) -> RegistryClient:
    """Open the model registry (once per URI and process).

    The first open of a SQLite registry creates MLflow's tables, which takes a few seconds.

    Raises:
        TransientError: the registry cannot be reached or is locked.
        AccessError: it refuses the credentials.
    """
    return _open(registry_uri(config, workdir))


@functools.cache
def _open(uri: str) -> RegistryClient:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # MLflow reports usage to its makers unless told not to
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mlflow.tracking import MlflowClient

        for name in ("mlflow", "alembic"):  # After the import, which sets its own level.
            logging.getLogger(name).setLevel(logging.WARNING)
        file = sqlite_path(uri)
        if file is None:
            with _typed(f"registry {uri}"):
                return RegistryClient(MlflowClient(tracking_uri=uri, registry_uri=uri), uri)
        file.parent.mkdir(parents=True, exist_ok=True)
        # Two processes that create the tables at once make each other fail.
        with _file_lock(file), _typed(f"registry {uri}"):
            _create_database(file)
            return RegistryClient(MlflowClient(tracking_uri=uri, registry_uri=uri), uri)


def _create_database(file: Path) -> None:
    """Make MLflow's tables under another name first: its migrations cannot go on where a killed process left them."""
    if file.exists():
        return
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

    unfinished = file.with_name(f".{file.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    store = SqlAlchemyStore(f"sqlite:///{unfinished}")  # type: ignore[no-untyped-call]
    store.engine.dispose()
    unfinished.replace(file)


def sqlite_path(uri: str) -> Path | None:
    """The database file of a `sqlite:///…` URI; None for any other registry."""
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None


@contextlib.contextmanager
def _typed(what: str) -> Iterator[None]:
    """Turn MLflow's and SQLAlchemy's exceptions into the typed errors of this project."""
    try:
        yield
    except PipelineError:
        raise
    except Exception as error:
        code = getattr(error, "error_code", "")
        line = f"{what}: {' '.join(str(error).split())[:300]}"
        if code in ("PERMISSION_DENIED", "UNAUTHENTICATED"):
            raise AccessError(f"{line}: give this step's account access to the registry") from error
        if code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "RESOURCE_ALREADY_EXISTS", "BAD_REQUEST"):
            raise DataError(line) from error
        if code or type(error).__module__.split(".")[0] in ("sqlalchemy", "sqlite3", "requests", "urllib3"):
            raise TransientError(f"{line}: check that the registry answers and run the same command again") from error
        raise


@contextlib.contextmanager
def _file_lock(database: Path, timeout_s: float = 30.0) -> Iterator[None]:
    """Hold the advisory lock beside a SQLite registry; the kernel frees it when the holder dies."""
    path = database.with_name(database.name + ".lock")
    deadline = time.monotonic() + timeout_s
    with path.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    held = f"{path}: another process has held the registry for {timeout_s:.0f} s"
                    raise TransientError(f"{held}: let it finish, then run the same command again") from None
                time.sleep(0.02)
        yield


class RegistryClient:
    """The few registry operations the pipeline needs, with typed errors.

    Versions are positive integers. Writes are single MLflow transactions.
    """

    def __init__(self, client: Any, uri: str) -> None:
        self._client = client
        self.uri = uri

    def ensure_model(self, name: str) -> None:
        """Create the registered model unless it is there."""
        self._create_model(name, {})

    def _create_model(self, name: str, tags: Mapping[str, str]) -> bool:
        """Create a registered model; False when the name is taken. Atomic: the name is the primary key."""
        with _typed(f"registered model {name}"):
            try:
                self._client.create_registered_model(name, tags=dict(tags))
            except Exception as error:
                if getattr(error, "error_code", "") != "RESOURCE_ALREADY_EXISTS":
                    raise
                return False
        return True

    def create_version(self, name: str, source: str, tags: Mapping[str, str], description: str) -> int:
        """Record a new version with all of its tags in one transaction and return its number."""
        with _typed(f"new version of {name}"):
            version = self._client.create_model_version(name, source, tags=dict(tags), description=description, await_creation_for=None)
        return int(version.version)

    def find_versions(self, name: str, tag: str, value: str) -> list[int]:
        """Version numbers whose tag has this value, oldest first."""
        with _typed(f"versions of {name}"):
            found = self._client.search_model_versions(f"name = '{name}' AND tags.`{tag}` = '{value}'", max_results=1000)
        return sorted(int(version.version) for version in found)

    def tags(self, name: str, version: int) -> dict[str, str]:
        """Every tag of one version.

        Raises:
            DataError: there is no such version.
        """
        return dict(self._version(name, version).tags)

    def description(self, name: str, version: int) -> str:
        """The model card stored with a version."""
        return self._version(name, version).description or ""

    def set_description(self, name: str, version: int, text: str) -> None:
        """Replace the model card stored with a version."""
        with _typed(f"{name}@{version} description"):
            self._client.update_model_version(name, str(version), description=text)

    def versions(self, name: str) -> dict[int, tuple[datetime, dict[str, str]]]:
        """Every version: number -> when it was made, and its tags; oldest first."""
        found: dict[int, tuple[datetime, dict[str, str]]] = {}
        token: str | None = None
        with _typed(f"versions of {name}"):
            while True:
                page = self._client.search_model_versions(f"name = '{name}'", max_results=1000, page_token=token)
                for version in page:
                    made = datetime.fromtimestamp(version.creation_timestamp / 1000, UTC)
                    found[int(version.version)] = (made, dict(version.tags))
                token = page.token
                if not token:
                    return dict(sorted(found.items()))

    def _version(self, name: str, version: int) -> ModelVersion:
        with _typed(f"{name}@{version}"):
            found: ModelVersion = self._client.get_model_version(name, str(version))
            return found

    def set_tag(self, name: str, version: int, key: str, value: str) -> None:
        """Set one tag of a version."""
        with _typed(f"{name}@{version} tag {key}"):
            self._client.set_model_version_tag(name, str(version), key, value)

    def delete_tag(self, name: str, version: int, key: str) -> None:
        """Remove one tag of a version; nothing happens when it has none."""
        if key in self.tags(name, version):
            with _typed(f"{name}@{version} tag {key}"):
                self._client.delete_model_version_tag(name, str(version), key)

    def aliases(self, name: str) -> dict[str, int]:
        """Alias -> version; empty when the model does not exist."""
        with _typed(f"registered model {name}"):
            try:
                model = self._client.get_registered_model(name)
            except Exception as error:
                if getattr(error, "error_code", "") != "RESOURCE_DOES_NOT_EXIST":
                    raise
                return {}
        return {alias: int(version) for alias, version in model.aliases.items()}

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Point an alias at a version."""
        with _typed(f"{name} alias {alias}"):
            self._client.set_registered_model_alias(name, alias, str(version))

    def delete_alias(self, name: str, alias: str) -> None:
        """Remove an alias; nothing happens when it is not there."""
        with _typed(f"{name} alias {alias}"):
            self._client.delete_registered_model_alias(name, alias)

    @contextlib.contextmanager
    def moving(self, name: str) -> Iterator[None]:
        """Exclude every other `moving` block on this model while aliases are read and written.

        MLflow itself has no compare-and-set. A SQLite registry is guarded by a file
        lock: exact among all processes that share the file, and freed by the kernel
        when the holder dies. A server registry is guarded by creating a registered
        model named `<name>.moving-aliases`, which the database allows once. That lock
        outlives a killed holder for at most two minutes; whoever then removes it could,
        in a window of one request, remove a lock taken just before. A holder that
        stalls longer than the lease could also still write. Both need two movers at
        once: the workflow's mutex already keeps it to one.

        Raises:
            TransientError: somebody else is moving aliases of this model.
        """
        file = sqlite_path(self.uri)
        if file is not None:
            with _file_lock(file):
                yield
            return
        with self.server_lock(name):
            yield

    @contextlib.contextmanager
    def server_lock(self, name: str, timeout_s: float = 30.0, lease_s: float = _LOCK_LEASE_S) -> Iterator[None]:
        """The lock of `moving` for registries without a shared file."""
        lock = name + _LOCK_SUFFIX
        deadline = time.monotonic() + timeout_s
        while not self._create_model(lock, {"ctp.until": str(time.time() + lease_s)}):
            self._clear_expired(lock)
            if time.monotonic() > deadline:
                raise TransientError(f"{lock} is taken: another process moves aliases of {name}; run again when it is done")
            time.sleep(0.1)
        try:
            yield
        finally:
            self._delete_model(lock)

    def _clear_expired(self, lock: str) -> None:
        """Remove the lock of a holder that died."""
        with _typed(lock):
            try:
                until = float(self._client.get_registered_model(lock).tags.get("ctp.until", 0))
            except Exception as error:
                if getattr(error, "error_code", "") != "RESOURCE_DOES_NOT_EXIST":
                    raise
                return
            if until < time.time():
                self._delete_model(lock)

    def _delete_model(self, name: str) -> None:
        with _typed(name):
            try:
                self._client.delete_registered_model(name)
            except Exception as error:
                if getattr(error, "error_code", "") != "RESOURCE_DOES_NOT_EXIST":
                    raise
