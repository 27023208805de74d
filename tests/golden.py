"""Golden sets for tests: the factory and the file that a step reads."""

from __future__ import annotations

import json

import pytest

from steps.contract.files import sha256_file
from steps.contract.refs import ArtifactRef
from steps.store.golden import GoldenItem, GoldenSet


def golden_set(count=24, **meta):
    """Questions whose gold statement names the port of a service."""
    items = []
    for n in range(count):
        statement = f"Service{n} listens on port {8000 + n}."
        question = f"Which port does Service{n} listen on?"
        contexts = (statement, f"Service{n} has 3 replicas.")
        messages = ({"role": "user", "content": question},)
        gold = str(8000 + n)
        items.append(
            GoldenItem(
                id=f"i{n}",
                question=question,
                contexts=contexts,
                messages=messages,
                gold=gold,
                statement=statement,
                entity_seen=n % 2 == 0,
                good=(statement,),
                bad=(f"Service{n} listens on port 1.",),
            )
        )
    return GoldenSet(items=tuple(items), sha256="ab" * 32, **meta)


@pytest.fixture
def make_golden():
    return golden_set


@pytest.fixture
def golden_file(tmp_path):
    """Write a golden set and return its reference."""

    def write(golden=None, meta=None):
        path = tmp_path / "golden.jsonl"
        path.write_text("".join(item.model_dump_json() + "\n" for item in (golden or golden_set()).items))
        if meta is not None:
            (tmp_path / "golden.meta.json").write_text(json.dumps(meta))
        return ArtifactRef(uri=path.as_uri(), sha256=sha256_file(path))

    return write
