"""JSON leaves: tool arguments and results are read value by value, each with its key as context, and stay valid JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

MAX_DEPTH = 64
_MIN_NUMBER = 1000
_CAPTIONS = ("name", "key", "field", "label", "type")


@dataclass(frozen=True, slots=True)
class Leaf:
    """One text to search. `context` is what the key says, searched with it and never masked."""

    text: str
    context: str = ""

    @property
    def scanned(self) -> str:
        """The text behind its context."""
        return self.context + self.text


def parse(text: str) -> Any:
    """The document of a JSON text, None when it is none: a plain word or number is read as text."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        document = json.loads(text, parse_constant=_refuse_constant)
        _check_depth(document)
    except (ValueError, RecursionError):
        return None
    return document


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _check_depth(document: Any) -> None:
    level = [document]
    for _ in range(MAX_DEPTH):
        level = [child for item in level if isinstance(item, (dict, list)) for child in (item.values() if isinstance(item, dict) else item)]
        if not level:
            return
    raise ValueError("nested too deep")


def _caption(item: dict[str, Any]) -> str:
    """What `{"name": "phone", "value": …}` says of its value."""
    return next((item[key] for key in _CAPTIONS if isinstance(item.get(key), str) and len(item[key]) <= 40), "") if "value" in item else ""


def walk(document: Any, key: str = "") -> Iterator[Leaf]:
    """Yield the leaves of a document in a fixed order: keys, then values; numbers as text, JSON in a text leaf by leaf."""
    context = f"{key}: " if key else ""
    if isinstance(document, dict):
        caption = _caption(document)
        for name, value in document.items():
            yield Leaf(name)
            yield from walk(value, caption if caption and name == "value" else f"{key}_{name}" if name in _CAPTIONS and key else name)
    elif isinstance(document, list):
        for value in document:
            yield from walk(value, key)
    elif isinstance(document, str):
        inner = parse(document)
        if inner is None:
            yield Leaf(document, context)
        else:
            yield from walk(inner, key)
    elif isinstance(document, (int, float)) and not isinstance(document, bool) and abs(document) >= _MIN_NUMBER:
        yield Leaf(json.dumps(document), context)


def rebuild(document: Any, take: Callable[[], str]) -> Any:
    """The document with every leaf replaced by the next text that `take` gives, in the order of `walk`."""
    if isinstance(document, dict):
        result = {}
        for value in document.values():
            masked = take()
            result[masked] = rebuild(value, take)
        return result
    if isinstance(document, list):
        return [rebuild(value, take) for value in document]
    if isinstance(document, str):
        inner = parse(document)
        if inner is None:
            return take()
        rebuilt = rebuild(inner, take)
        return document if rebuilt == inner else json.dumps(rebuilt, ensure_ascii=False)
    if isinstance(document, (int, float)) and not isinstance(document, bool) and abs(document) >= _MIN_NUMBER:
        text = take()
        return document if text == json.dumps(document) else text
    return document
