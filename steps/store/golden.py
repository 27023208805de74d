"""The golden set: held-out questions, one JSON object a line.

Grain: one row per question. Fields: id, question, contexts, messages (what the model is
sent), and, where known, gold (the value an answer must restate), statement (the sentence
that holds it), entity_seen, and good and bad: lists of answers that never change, by which a
judge's drift is seen. Beside `NAME.jsonl`, an optional `NAME.meta.json` may hold
`fluency_pattern`, a regular expression that a well-formed answer matches fully, and the
`sha256` of the set it belongs to.
"""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field, ValidationError

from steps.contract.errors import DataError
from steps.contract.files import read_json, sha256_file
from steps.contract.refs import ArtifactRef, Frozen


class GoldenItem(Frozen):
    """One held-out question. Fields of other tools are kept out, not refused."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(min_length=1)
    question: str = Field(min_length=1)
    contexts: tuple[str, ...] = ()
    messages: tuple[dict[str, Any], ...] = Field(min_length=1)
    gold: str | None = None
    statement: str | None = None
    entity_seen: bool | None = None
    good: tuple[str, ...] = ()
    bad: tuple[str, ...] = ()


class GoldenSet(Frozen):
    """A verified golden set."""

    items: tuple[GoldenItem, ...]
    sha256: str
    fluency_pattern: str | None = None


def normalise(text: str) -> str:
    """Letters and digits of a text in one case, words separated by one space: what "the same question" means."""
    return " ".join(words(text))


def words(text: str) -> list[str]:
    """Case-folded runs of letters and digits."""
    return re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold())


def read_golden(ref: ArtifactRef) -> GoldenSet:
    """Read a golden set and verify that it is the one the reference names.

    Raises:
        DataError: the file is missing, empty, differs from its digest, or a line is malformed or repeats an id.
    """
    path = Path(ref.local_path())
    if not path.is_file():
        raise DataError(f"{path}: no such golden set: check the reference {ref.uri}")
    if (found := sha256_file(path)) != ref.sha256:
        raise DataError(f"{path}: SHA-256 is {found}, the reference says {ref.sha256}: the golden set was changed")
    items: list[GoldenItem] = []
    seen: set[str] = set()
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            item = _item(line, f"{path}:{number}")
            if item.id in seen:
                raise DataError(f"{path}:{number}: id {item.id!r} stands twice: give every question its own id")
            seen.add(item.id)
            items.append(item)
    if not items:
        raise DataError(f"{path}: holds no question: write one JSON object a line")
    return GoldenSet(items=tuple(items), sha256=found, fluency_pattern=_fluency_pattern(path, found))


def _item(line: str, where: str) -> GoldenItem:
    try:
        return GoldenItem.model_validate(json.loads(line))
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(f"{where}: {'.'.join(map(str, first['loc'])) or '(row)'}: {first['msg']}") from None
    except ValueError as error:
        raise DataError(f"{where}: not a JSON object: {error}") from None


def _fluency_pattern(path: Path, digest: str) -> str | None:
    """The pattern of the file's metadata, checked to belong to this set and to compile."""
    meta = path.with_suffix(".meta.json")
    if not meta.is_file():
        return None
    try:
        value = read_json(meta)
        pattern: str | None = value.get("fluency_pattern")
        if value.get("sha256", digest) != digest:
            raise DataError(f"{meta}: describes another golden set than {path.name}: write both again")
        if pattern is not None:
            re.compile(pattern)
    except (ValueError, AttributeError, TypeError, re.error) as error:
        raise DataError(f"{meta}: {error}: correct it or remove it") from None
    return pattern
