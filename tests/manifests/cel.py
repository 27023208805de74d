"""`x-kubernetes-validations` of a CRD, evaluated on an object.

Source: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import celpy
from celpy import celtypes

from .crds import Schema


class Verdict(NamedTuple):
    """What a rule said of a value: held, or why not; `known` is False where it could not be evaluated."""

    rule: str
    path: str
    held: bool
    known: bool
    why: str


def _is_ip(text: celtypes.StringType) -> celtypes.BoolType:
    try:
        ipaddress.ip_address(str(text))
    except ValueError:
        return celtypes.BoolType(False)
    return celtypes.BoolType(True)


def _find(text: celtypes.StringType, pattern: celtypes.StringType) -> celtypes.StringType:
    found = re.search(str(pattern), str(text))
    return celtypes.StringType(found[0] if found else "")


def _split(text: celtypes.StringType, by: celtypes.StringType) -> celtypes.ListType:
    return celtypes.ListType([celtypes.StringType(part) for part in str(text).split(str(by))])


# What the API server adds to the language, as far as rules here use it.
FUNCTIONS = {"isIP": _is_ip, "find": _find, "split": _split}


@cache
def _program(rule: str) -> celpy.Runner:
    environment = celpy.Environment()
    return environment.program(environment.compile(rule), functions=FUNCTIONS)


def _evaluate(rule: str, value: Any) -> tuple[bool, bool, str]:
    try:
        said = _program(rule).evaluate({"self": celpy.json_to_cel(value)})
    except celpy.CELEvalError as error:
        # The API server refuses an object on which a rule fails to evaluate, as by reading an absent field.
        absent = "no such member" in str(error) or "no such key" in str(error)
        return False, absent, str(error.args[0])
    except (celpy.CELParseError, celpy.CELUnsupportedError, NotImplementedError, TypeError, ValueError) as error:
        return False, False, f"{type(error).__name__}: {error}"
    return bool(said), True, "" if said else "is false"


def verdicts(value: Any, schema: Schema, path: str = "") -> Iterator[Verdict]:
    """Every rule at and below a value. Rules about the change of an object need two versions of it: they are no matter here."""
    if value is None:
        return
    for validation in schema.get("x-kubernetes-validations", []):
        rule = validation["rule"].strip()
        if not re.search(r"\boldSelf\b", rule):
            held, known, why = _evaluate(rule, value)
            yield Verdict(rule, path, held, known, validation.get("message") or why)
    if isinstance(value, dict):
        properties, more = schema.get("properties", {}), schema.get("additionalProperties")
        for key, found in value.items():
            below = properties.get(key, more)
            if isinstance(below, dict):
                yield from verdicts(found, below, f"{path}.{key}")
    elif isinstance(value, list):
        for number, found in enumerate(value):
            yield from verdicts(found, schema.get("items", {}), f"{path}[{number}]")
