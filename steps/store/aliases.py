"""The aliases `champion`, `candidate` and `previous`, moved by compare-and-set.

Every function can be repeated after a kill between any two of its writes: the writes are
ordered so that the champion alias moves in one of them, and what surrounds it is
recomputed from tags. See `RegistryClient.moving` for what guards them against each other.
"""

from __future__ import annotations

from datetime import UTC, datetime

from steps.contract.errors import DataError
from steps.contract.refs import ArtifactRef, ModelRef
from steps.store.registry import RegistryClient

CHAMPION, CANDIDATE, PREVIOUS = "champion", "candidate", "previous"
# Tags of a version.
URI, SHA256, GATE_PHASE, BOOTSTRAP = "ctp.uri", "ctp.sha256", "ctp.gate-phase", "ctp.bootstrap"
PROMOTED_OVER, PROMOTED_AT, ABORTED = "ctp.promoted-over", "ctp.promoted-at", "ctp.aborted"
# Why a version that served does not any more; `rollback` without a version does not choose it.
ROLLED_BACK = "ctp.rolled-back"
_NOBODY = "none"


def champion(client: RegistryClient, name: str) -> ModelRef | None:
    """The version that serves; None before the first."""
    return by_alias(client, name, CHAMPION)


def by_alias(client: RegistryClient, name: str, alias: str) -> ModelRef | None:
    """The version an alias points at; None when it points nowhere."""
    version = client.aliases(name).get(alias)
    return ModelRef(name=name, version=version) if version is not None else None


def model_uri(client: RegistryClient, ref: ModelRef) -> ArtifactRef:
    """Where a version's files are, and their digest.

    Raises:
        DataError: there is no such version, or this pipeline did not register it.
    """
    tags = client.tags(ref.name, ref.version)
    if URI not in tags or SHA256 not in tags:
        raise DataError(f"{ref} has no {URI} and {SHA256} tags: it was not registered by this pipeline")
    return ArtifactRef(uri=tags[URI], sha256=tags[SHA256])


def set_candidate(client: RegistryClient, name: str, version: int) -> None:
    """Point `candidate` at a version that does not serve already, and forget an earlier abort of it."""
    with client.moving(name):
        if client.aliases(name).get(CHAMPION) != version:
            client.delete_tag(name, version, ABORTED)
            client.set_alias(name, CANDIDATE, version)


def promote(client: RegistryClient, name: str, version: int, expected_champion: int | None) -> ModelRef:
    """Make a version the champion if the champion is still the expected one.

    `previous` then points at the old champion, and `candidate` is cleared. A version
    that is the champion already only has these two put right.

    Args:
        client: an open registry.
        name: registered model.
        version: the new champion.
        expected_champion: the version that must serve now; None: there must be none.

    Raises:
        DataError: another version serves than expected, or the version did not pass the gate or was aborted.
        TransientError: somebody else is moving aliases.
    """
    with client.moving(name):
        found = client.aliases(name).get(CHAMPION)
        tags = client.tags(name, version)
        if found != version:
            check_promotable(name, version, tags)
            if found != expected_champion:
                clash = f"{name}: champion expected {_named(expected_champion)}, found {_named(found)}"
                raise DataError(f"{clash}: look at what was promoted since, then decide anew")
            # Said before the move, so that a repeated call after the move knows what `previous` is,
            # and so that retention never takes a champion for a version that never served.
            client.set_tag(name, version, PROMOTED_AT, datetime.now(UTC).isoformat(timespec="microseconds"))
            client.set_tag(name, version, PROMOTED_OVER, str(found) if found is not None else _NOBODY)
            tags[PROMOTED_OVER] = str(found) if found is not None else _NOBODY
            client.set_alias(name, CHAMPION, version)
        over = tags.get(PROMOTED_OVER, _NOBODY)
        if over != _NOBODY:
            client.set_alias(name, PREVIOUS, int(over))
        if client.aliases(name).get(CANDIDATE) == version:
            client.delete_alias(name, CANDIDATE)
        if (now := client.aliases(name).get(CHAMPION)) != version:
            raise DataError(
                f"{name}: champion moved to {_named(version)}, found {_named(now)}: something else moves it, too; stop that first"
            )
    return ModelRef(name=name, version=version)


def check_promotable(name: str, version: int, tags: dict[str, str]) -> None:
    """Fail closed: only what passed the gate, or the first model, may serve."""
    if ABORTED in tags:
        raise DataError(f"{name}@{version} was aborted ({tags[ABORTED]}): register it again after a new gate")
    if tags.get(GATE_PHASE) != "Successful" and tags.get(BOOTSTRAP) != "true":
        raise DataError(f"{name}@{version} has gate phase {tags.get(GATE_PHASE, 'unknown')!r}: only a Successful one may become champion")


def taken_back(tags: dict[str, str]) -> str:
    """Why a version with these tags was taken back, as one line; empty: it was not."""
    for tag, said in ((ABORTED, "was aborted"), (ROLLED_BACK, "was rolled back")):
        if tag in tags:
            return f"{said} ({tags[tag]})"
    return ""


def abort(client: RegistryClient, name: str, version: int, reason: str) -> None:
    """Take the candidate alias from a version and note why; the champion is not touched.

    Raises:
        DataError: the version is the champion.
        TransientError: somebody else is moving aliases.
    """
    with client.moving(name):
        aliases = client.aliases(name)
        if aliases.get(CHAMPION) == version:
            raise DataError(f"{name}@{version} is the champion: promote another version instead of aborting it")
        client.set_tag(name, version, ABORTED, " ".join(reason.split())[:500] or "no reason given")
        if aliases.get(CANDIDATE) == version:
            client.delete_alias(name, CANDIDATE)


def _named(version: int | None) -> str:
    return f"version {version}" if version is not None else "none"
