"""IAM's decision on one call, for the parts of its language that our policies use.

Source: IAM User Guide, "Policy evaluation logic" and "IAM JSON policy elements: Condition operators".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

Document = dict[str, Any]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def like(pattern: str, text: str) -> bool:
    """`*` is any run of characters, `?` is one; everything else is itself."""
    parts = [".*" if char == "*" else "." if char == "?" else re.escape(char) for char in pattern]
    return re.fullmatch("".join(parts), text, re.DOTALL) is not None


def _holds(operator: str, key: str, wanted: list[str], context: Mapping[str, str]) -> bool:
    if operator == "Null":
        return (key not in context) == (wanted == ["true"])
    if operator in ("StringNotEquals", "ArnNotEquals"):
        # True where the request has no such key.
        return context.get(key) not in wanted
    if key not in context:
        return False
    matches = {"StringEquals": str.__eq__, "Bool": str.__eq__, "StringLike": like}[operator]
    return any(matches(text, context[key]) for text in wanted)


def _applies(statement: Document, action: str, resource: str, context: Mapping[str, str]) -> bool:
    conditions = [
        _holds(operator, key, _list(wanted), context)
        for operator, keys in statement.get("Condition", {}).items()
        for key, wanted in keys.items()
    ]
    service, _, name = action.partition(":")
    named = any(like(pattern.lower(), f"{service}:{name}".lower()) for pattern in _list(statement["Action"]))
    return named and all(conditions) and ("Resource" not in statement or any(like(p, resource) for p in _list(statement["Resource"])))


def allowed(policies: Iterable[Document], action: str, resource: str, context: Mapping[str, str] | None = None) -> bool:
    """Whether some statement allows it and none denies it."""
    found = [s["Effect"] for p in policies for s in p["Statement"] if _applies(s, action, resource, context or {})]
    return "Allow" in found and "Deny" not in found
