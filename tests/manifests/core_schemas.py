"""Kubernetes' own JSON schemas, strict about unknown fields; the package kubernetes-validate carries them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from jsonschema.validators import Draft202012Validator
from kubernetes_validate.utils import all_versions, schema_contents
from referencing import Registry, Resource


def folder_of(version: str) -> str:
    """Of a version, as "1.32".

    Raises:
        LookupError: the package has no schemas of it.
    """
    for offered in all_versions():
        if re.match(rf"{re.escape(version)}\.", offered):
            return f"kubernetes-json-schema/v{offered}-local-strict"
    raise LookupError(f"kubernetes-validate has no schemas of Kubernetes {version}: it has {', '.join(all_versions())}")


@cache
def _definitions(folder: str) -> Registry:
    return Resource.from_contents(schema_contents(f"{folder}/_definitions.json", folder)) @ Registry()


@cache
def _validator(folder: str, kind: str, api_version: str) -> Draft202012Validator:
    group, _, version = api_version.rpartition("/")
    short = f"{group.partition('.')[0]}-{version}" if group else version
    schema = schema_contents(f"{folder}/{kind.lower()}-{short}.json", folder)
    return Draft202012Validator(schema, registry=Resource.from_contents(schema) @ _definitions(folder))


def problems(manifest: dict[str, Any], version: str) -> Iterator[str]:
    """What is wrong with an object.

    Raises:
        FileNotFoundError: Kubernetes of that version has no such kind.
    """
    checks = _validator(folder_of(version), manifest["kind"], manifest["apiVersion"])
    for error in checks.iter_errors(manifest):
        yield f"{'.'.join(map(str, error.absolute_path))}: {error.message[:300]}"
