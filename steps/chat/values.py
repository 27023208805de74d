"""Decoding of attribute values: JSON text, Python repr, counts and clean text. Every function takes any value and never raises."""

from __future__ import annotations

import ast
import math
import re
from typing import Any

import orjson

MAX_DEPTH = 24
_MAX_REPR_CHARACTERS = 65_536
# Control characters have no meaning in a message; zero-width ones can hide a number from the gates.
_INVISIBLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u00ad\u200b\u2060\ufeff]")


def clean_text(text: str) -> str:
    """Text without control and zero-width characters, and without lone surrogates."""
    if _INVISIBLE.search(text):
        text = _INVISIBLE.sub("", text)
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def decode_json(value: Any) -> Any:
    """A JSON text as the value it holds; anything else as it is. The text of a JSON string counts too."""
    if value == "null":
        return None
    if isinstance(value, str) and value[:1] in ("{", "[", '"', " ", "\n"):
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return value


def decode_twice(value: Any) -> Any:
    """As `decode_json`, also of an object or list that a client wrote as JSON text and its exporter wrote as JSON again."""
    decoded = decode_json(value)
    return decode_json(decoded) if isinstance(decoded, str) and decoded[:1] in ("{", "[") else decoded


def decode_object(value: Any) -> Any:
    """A JSON text or a Python repr (as LiteLLM writes) of an object or list as what it holds; anything else as it is."""
    decoded = decode_json(value)
    if isinstance(decoded, str) and decoded[:1] in ("{", "[") and len(decoded) <= _MAX_REPR_CHARACTERS:
        try:
            literal = ast.literal_eval(decoded)
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            return decoded
        return literal if isinstance(literal, (dict, list)) else decoded
    return decoded


def as_object(value: Any) -> dict[str, Any]:
    """A mapping with text keys: an object, its text, or Parquet's list of pairs; {} for anything else."""
    value = decode_object(value)
    if isinstance(value, (list, tuple)):
        pairs = [(item.get("key"), item.get("value")) if isinstance(item, dict) else item for item in value]
        return {str(pair[0]): pair[1] for pair in pairs if isinstance(pair, (tuple, list)) and len(pair) == 2 and pair[0] is not None}
    return {str(key): item for key, item in value.items()} if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """A list: a list, its text, or a value alone; [] for nothing."""
    value = decode_object(value)
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def as_word(value: Any) -> str:
    """A short value as text: a string as it is, a number or flag written out; "" for anything else."""
    if isinstance(value, str):
        return clean_text(value).strip()
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return ""


def as_count(*values: Any) -> int:
    """The first value that is a count below 2**53, else 0."""
    for value in values:
        if isinstance(value, bool) or value is None:
            continue
        try:
            number = int(value)
        except (TypeError, ValueError, OverflowError):
            continue
        if 0 <= number < 2**53:
            return number
    return 0


def compact_json(value: Any) -> str:
    """JSON text without spaces, keys in their order; what JSON cannot hold becomes text."""
    try:
        return clean_text(orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode())
    except (TypeError, ValueError, RecursionError, UnicodeEncodeError):
        return clean_text(str(value)[:_MAX_REPR_CHARACTERS])


def canonical_text(value: Any) -> str:
    """Text of a tool's result: JSON objects and lists without spaces, any other text as it is."""
    decoded = decode_json(value)
    if isinstance(decoded, (dict, list)):
        return compact_json(decoded)
    return clean_text(decoded) if isinstance(decoded, str) else compact_json(decoded)


def as_number(value: Any) -> float | None:
    """A finite number, also when written as text; None for anything else."""
    if isinstance(value, str):
        try:
            value = float(value[:64])
        except ValueError:
            return None
    try:
        return float(value) if isinstance(value, (bool, int, float)) and math.isfinite(value) else None
    except OverflowError:
        return None
