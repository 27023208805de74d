"""Schemas of custom resources: structure, unknown fields, defaults; the rules in CEL are in `cel.py`.

The definitions are not part of this repository: `CTP_SHARED`, or a folder `shared` beside it, holds
them as `crds/<project>/*.yaml`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from .rendered import ROOT

TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float)}
BOUNDS = {
    "minimum": lambda value, bound: isinstance(value, (int, float)) and value < bound,
    "maximum": lambda value, bound: isinstance(value, (int, float)) and value > bound,
    "minLength": lambda value, bound: isinstance(value, str) and len(value) < bound,
    "maxLength": lambda value, bound: isinstance(value, str) and len(value) > bound,
    "minItems": lambda value, bound: isinstance(value, list) and len(value) < bound,
    "maxItems": lambda value, bound: isinstance(value, list) and len(value) > bound,
    "minProperties": lambda value, bound: isinstance(value, dict) and len(value) < bound,
    "maxProperties": lambda value, bound: isinstance(value, dict) and len(value) > bound,
}
# The API server's own; a CRD's schema says only `type: object`.
ENVELOPE = ("apiVersion", "kind", "metadata")

Schema = dict[str, Any]


def folder() -> Path:
    """Where the definitions are, or skip the test."""
    place = Path(os.environ.get("CTP_SHARED") or ROOT.parent / "shared") / "crds"
    if not place.is_dir():
        pytest.skip(f"no CRDs at {place}: set CTP_SHARED to the folder that holds crds/")
    return place


@cache
def defined() -> dict[tuple[str, str], Path]:
    """(group, kind) -> file; read by pattern, because parsing them all takes half a minute."""
    found: dict[tuple[str, str], Path] = {}
    for path in sorted(folder().glob("*/*.yaml")):
        text = path.read_text(encoding="utf-8")
        group, kind = re.search(r"^  group: (\S+)$", text, re.M), re.search(r"^    kind: (\S+)$", text, re.M)
        if "kind: CustomResourceDefinition" in text and group and kind:
            found[group[1], kind[1]] = path
    return found


@cache
def _documents(path: Path) -> list[Schema]:
    return [document for document in yaml.load_all(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader) if document]


@cache
def schema_of(api_version: str, kind: str) -> Schema | None:
    """The served schema of a kind; None for a kind that no CRD defines."""
    group, _, version = api_version.rpartition("/")
    path = defined().get((group, kind))
    if path is None:
        return None
    for document in _documents(path):
        if document.get("kind") == "CustomResourceDefinition" and document["spec"]["names"]["kind"] == kind:
            for offered in document["spec"]["versions"]:
                if offered["name"] == version and offered["served"]:
                    return offered["schema"]["openAPIV3Schema"]
    return None


def with_defaults(value: Any, schema: Schema) -> Any:
    """As the API server stores it: the schema's defaults filled in. Rules see this, not what was sent."""
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        more = schema.get("additionalProperties")
        filled = {key: with_defaults(found, properties.get(key, more if isinstance(more, dict) else {})) for key, found in value.items()}
        for key, found in properties.items():
            if key not in filled and "default" in found:
                filled[key] = with_defaults(found["default"], found)
        return filled
    if isinstance(value, list):
        return [with_defaults(found, schema.get("items", {})) for found in value]
    return value


def problems(value: Any, schema: Schema, path: str = "") -> Iterator[str]:
    """What the API server would refuse, but for rules in CEL."""
    if value is None and schema.get("nullable"):
        return
    if schema.get("x-kubernetes-int-or-string"):
        if not isinstance(value, (int, str)) or isinstance(value, bool):
            yield f"{path}: is no number or text"
        return
    wanted = schema.get("type")
    if wanted and (not isinstance(value, TYPES[wanted]) or (wanted in ("integer", "number") and isinstance(value, bool))):
        yield f"{path}: {value!r} is no {wanted}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: {value!r} is none of {schema['enum']}"
    if "pattern" in schema and isinstance(value, str) and not re.search(schema["pattern"], value):
        yield f"{path}: {value!r} does not match {schema['pattern']}"
    for word, broken in BOUNDS.items():
        if word in schema and broken(value, schema[word]):
            yield f"{path}: breaks {word} {schema[word]}"
    if isinstance(value, list):
        for number, found in enumerate(value):
            yield from problems(found, schema.get("items", {}), f"{path}[{number}]")
    if isinstance(value, dict):
        yield from _fields(value, schema, path)


def _fields(value: dict[str, Any], schema: Schema, path: str) -> Iterator[str]:
    properties, more = schema.get("properties", {}), schema.get("additionalProperties")
    anything = schema.get("x-kubernetes-preserve-unknown-fields") or more is True or (not properties and not schema.get("type"))
    for key in schema.get("required", []):
        if key not in value:
            yield f"{path}.{key}: is missing"
    for key, found in value.items():
        if path == "" and key in ENVELOPE:
            continue
        if key in properties:
            yield from problems(found, properties[key], f"{path}.{key}")
        elif isinstance(more, dict):
            yield from problems(found, more, f"{path}.{key}")
        elif not anything and not (path.endswith(".metadata") and not properties):
            yield f"{path}.{key}: unknown field"
