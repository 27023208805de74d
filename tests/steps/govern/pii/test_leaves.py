from __future__ import annotations

import json

import pytest

from steps.govern.pii.leaves import MAX_DEPTH, parse, rebuild, walk

DOCUMENT = {"a": ["x", {"name": "phone", "value": "5"}], "n": 12345, "flag": True, "inner": '{"b": "y"}', "nothing": None}


def test_leaves_know_their_keys():
    leaves = [(leaf.context, leaf.text) for leaf in walk(DOCUMENT)]
    assert ("a: ", "x") in leaves and ("phone: ", "5") in leaves and ("n: ", "12345") in leaves and ("b: ", "y") in leaves


def test_document_is_rebuilt_in_the_order_of_its_leaves():
    leaves = iter([leaf.text for leaf in walk(DOCUMENT)])
    assert rebuild(DOCUMENT, lambda: next(leaves)) == DOCUMENT
    changed = iter([leaf.text.replace("y", "z").replace("12345", "<N>") for leaf in walk(DOCUMENT)])
    result = rebuild(DOCUMENT, lambda: next(changed))
    assert json.loads(result["inner"]) == {"b": "z"} and result["n"] == "<N>"


@pytest.mark.parametrize(
    "text", ["plain", "12", '"x"', "{broken", '{"a": NaN}', "[" * (MAX_DEPTH + 9) + "]" * (MAX_DEPTH + 9), "[" * 100_000, ""]
)
def test_what_is_no_document_is_text(text):
    assert parse(text) is None
