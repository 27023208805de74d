"""The golden set of the sample domain: held-out questions with one good and one bad answer each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from steps.contract.files import canonical_json, sha256_file, sha256_text, write_atomic, write_json
from steps.laptop.world.domain import WORLD_VERSION, World
from steps.laptop.world.oracle import CITE, FLUENCY_PATTERN, GUESS


def write_golden(world: World, path: Path) -> Path:
    """Write the golden set as JSON lines, and beside it `<stem>.meta.json` with its SHA-256 and the fluency pattern.

    One line per item: id, question, contexts, messages, gold, statement, entity_seen, and one good and one bad answer.
    """
    unseen = world.unseen_entities
    lines = []
    for item in world.golden_items:
        row: dict[str, Any] = {"id": sha256_text(canonical_json([item.key, item.contexts]))[:16]}
        row |= {
            "question": item.question,
            "contexts": item.contexts,
            "messages": item.messages,
            "gold": item.value,
            "statement": item.statement,
            "entity_seen": item.entity not in unseen,
            "good": [CITE + item.statement[0].lower() + item.statement[1:]],
            "bad": [GUESS + item.wrong_statement[0].lower() + item.wrong_statement[1:]],
        }
        lines.append(json.dumps(row, ensure_ascii=False) + "\n")
    write_atomic(path, "".join(lines))
    meta = {"seed": world.seed, "world_version": WORLD_VERSION, "items": len(lines), "sha256": sha256_file(path)}
    write_json(path.with_suffix(".meta.json"), meta | {"fluency_pattern": FLUENCY_PATTERN})
    return path
