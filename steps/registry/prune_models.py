"""Retention of model files. The registry's versions and their lineage stay for good; only files go.

Never deleted: files of a version that an alias points at, of the newest champions
(`upkeep.keep_generations`, at least three, whether they serve now or not), of versions that
share their content, and whatever lies outside of our artifacts and our model store.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import Field

from steps.contract.refs import Frozen, ModelRef
from steps.contract.spec import StepContext
from steps.store.aliases import PROMOTED_AT, PROMOTED_OVER, SHA256, URI
from steps.store.models import PRODUCTION, delete_model
from steps.store.registry import RegistryClient, open_registry, registry_uri, sqlite_path

# Tag of a version whose files are gone, with the time.
DELETED = "ctp.files-deleted"
_CANDIDATE, _COPY = re.compile(r"[0-9a-f]{16}"), re.compile(r"[0-9a-f]{64}")


class Version(Frozen):
    """One registered version as retention sees it."""

    number: int
    registered_at: datetime
    tags: dict[str, str]

    @property
    def served_at(self) -> str:
        """When it last became champion, ISO 8601; `0` for a champion of unknown time; empty: never."""
        return self.tags.get(PROMOTED_AT) or ("0" if PROMOTED_OVER in self.tags else "")


class Prunable(Frozen):
    """Files that may go."""

    model: str
    uri: str
    reason: str


class Params(Frozen):
    """`dry_run` lists what would go and deletes nothing."""

    dry_run: bool = Field(default=False, description="only say what would be deleted")


class Result(Frozen):
    """What went, or would go; and the versions whose files are protected."""

    dry_run: bool = Field(description="as given")
    deleted: tuple[Prunable, ...] = Field(description="models whose files were deleted")
    protected: tuple[str, ...] = Field(description="models whose files stay, and why")


def protected(versions: Mapping[int, Version], aliases: Mapping[str, int], generations: int) -> frozenset[int]:
    """Numbers of the versions whose files always stay. Pure.

    Args:
        versions: every registered version.
        aliases: alias -> version.
        generations: newest champions to keep, the serving one included.
    """
    served = sorted(
        (version for version in versions.values() if version.served_at), key=lambda version: (version.served_at, version.number)
    )
    # A champion of unknown time may be any generation: all of these stay.
    unknown = {version.number for version in served if version.served_at == "0"}
    dated = [version.number for version in served if version.number not in unknown]
    kept = set(dated[-generations:]) | unknown | set(aliases.values())
    contents = {versions[number].tags.get(SHA256, "") for number in kept if number in versions} - {""}
    return frozenset(kept | {number for number, version in versions.items() if version.tags.get(SHA256, "") in contents})


def run(params: Params, ctx: StepContext) -> Result:
    """Delete the files of models that nobody can need any more; may be killed and repeated.

    Raises:
        TransientError: registry or store does not answer, or aliases are being moved.
        AccessError: the store refuses to delete.
    """
    file = sqlite_path(registry_uri(ctx.config, ctx.workdir))
    if file is not None and not file.is_file():
        # Nothing was ever registered here, and opening it would make the registry.
        return Result(dry_run=params.dry_run, deleted=(), protected=())
    name = ctx.config.model_name
    client = open_registry(ctx.config, ctx.workdir)
    # No alias moves while it is decided and done: what became champion a moment ago is seen.
    with client.moving(name):
        versions = {
            number: Version(number=number, registered_at=registered_at, tags=tags)
            for number, (registered_at, tags) in client.versions(name).items()
        }
        keep = protected(versions, client.aliases(name), ctx.config.upkeep.keep_generations)
        old = datetime.now(UTC) - timedelta(days=ctx.config.upkeep.model_days)
        prunable = [*_registered(versions, keep, old, ctx), *_loose(versions, keep, old, ctx)]
        if not params.dry_run:
            for item in prunable:
                _delete(item, client, ctx)
    return Result(
        dry_run=params.dry_run, deleted=tuple(prunable), protected=tuple(str(ModelRef(name=name, version=n)) for n in sorted(keep))
    )


def _registered(versions: Mapping[int, Version], keep: frozenset[int], old: datetime, ctx: StepContext) -> list[Prunable]:
    """Files of old versions that are not kept, so far as they are ours to delete."""
    used = {versions[number].tags.get(URI, "") for number in keep if number in versions}
    prunable = []
    for version in versions.values():
        uri = version.tags.get(URI, "")
        newest = max(version.registered_at, _served_time(version.served_at))
        if version.number not in keep and newest < old and DELETED not in version.tags and uri not in used and _is_ours(uri, ctx):
            reason = f"older than {ctx.config.upkeep.model_days} days and no champion of the last {ctx.config.upkeep.keep_generations}"
            prunable.append(Prunable(model=str(ModelRef(name=ctx.config.model_name, version=version.number)), uri=uri, reason=reason))
    return prunable


def _loose(versions: Mapping[int, Version], keep: frozenset[int], old: datetime, ctx: StepContext) -> list[Prunable]:
    """Folders among the artifacts: candidates that were never registered, and downloaded copies of models that are not kept."""
    kept = {versions[number].tags.get(SHA256, "") for number in keep if number in versions}
    known = {Path(unquote(urlsplit(version.tags.get(URI, "")).path)) for version in versions.values()}
    prunable = []
    for folder in sorted((ctx.artifacts / "models").absolute().glob("*")):
        young = folder.stat().st_mtime >= old.timestamp()
        if not folder.is_dir() or young or folder in known:
            continue
        copy = _COPY.fullmatch(folder.name) is not None and folder.name not in kept
        if copy or _CANDIDATE.fullmatch(folder.name):
            reason = f"{'a copy' if copy else 'never registered'}, older than {ctx.config.upkeep.model_days} days"
            prunable.append(Prunable(model="", uri=folder.as_uri(), reason=reason))
    return prunable


def _served_time(text: str) -> datetime:
    return datetime.fromisoformat(text) if text not in ("", "0") else datetime.fromtimestamp(0, UTC)


def _is_ours(uri: str, ctx: StepContext) -> bool:
    """Whether the files lie directly in the model store's own folder or among the artifacts' models."""
    store = ctx.config.registry.model_store.rstrip("/")
    parent, _, name = uri.rpartition("/")
    if store and parent == f"{store}/{PRODUCTION}":
        return _COPY.fullmatch(name) is not None
    return parent == (ctx.artifacts / "models").absolute().as_uri() and _CANDIDATE.fullmatch(name) is not None


def _delete(item: Prunable, client: RegistryClient, ctx: StepContext) -> None:
    if item.uri.rpartition("/")[0].endswith(f"/{PRODUCTION}"):
        delete_model(item.uri)
    else:
        folder = Path(unquote(urlsplit(item.uri).path))
        # The record goes first: training then makes the candidate anew instead of trusting half of it.
        folder.with_name(f"{folder.name}.json").unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
    if item.model:
        ref = ModelRef.model_validate(item.model)
        client.set_tag(ref.name, ref.version, DELETED, datetime.now(UTC).isoformat(timespec="seconds"))
