"""What the world promises: disjoint pools, one answer per question, and a golden set nobody has seen."""

from __future__ import annotations

import json
import random
import re

import pytest

from steps.contract.files import sha256_file
from steps.laptop.world.domain import ATTRIBUTES, World, follow_up, render_prompt
from steps.laptop.world.golden import write_golden
from steps.laptop.world.lessons import Teacher, chatter
from steps.laptop.world.oracle import FLUENCY_PATTERN
from steps.laptop.world.tokenizer import corpus
from steps.laptop.world.warmup import RECIPE


@pytest.fixture(scope="module", params=[0, 7])
def world(request):
    return World.create(request.param)


def everything_seen_before_the_gate(world):
    """All text of traffic, warm-up lessons and the tokenizer's corpus, in lower case."""
    teacher = Teacher(world)
    yield from corpus()
    for item in world.train_items:
        yield item.messages[0]["content"]
    for step in range(1, RECIPE.steps + 1):
        # The very batches that the warm-up of this world draws.
        rng = random.Random(f"warmup:{world.seed}:{step}")
        for lesson in teacher.batch(rng, RECIPE.batch, recap=step <= RECIPE.recap_steps):
            yield "\n".join(message["content"] for message in lesson.messages)


def test_no_held_out_name_question_or_sentence_is_seen_before_the_gate(world):
    seen = "\n".join(everything_seen_before_the_gate(world)).lower()
    questions = {(item.question.lower(), item.entity) for item in world.golden_items}
    traffic = "\n".join(item.messages[0]["content"] for item in world.train_items).lower()
    for name in world.unseen_entities:
        assert name.lower() not in seen
    for item in world.golden_items:
        assert item.statement.lower() not in seen
    for question, _ in questions:
        assert question not in traffic
    hidden = {(entity, attribute) for entity, attribute, _ in world.withheld}
    # Neither as a distractor: no sentence about a withheld property, whatever its value.
    for entity, attribute in hidden:
        assert ATTRIBUTES[attribute].statement.format(e=entity, v="").rstrip(".").lower() not in traffic


def test_sizes(world):
    assert 64 <= len(world.golden_items) <= 80
    assert 128 <= len(world.train_items) <= 192
    unseen = [item for item in world.golden_items if item.entity in world.unseen_entities]
    assert len(unseen) == 40
    assert len({item.key for item in world.train_items}) == len(world.train_items)
    assert len({item.key for item in world.golden_items}) == len(world.golden_items)


def test_every_context_holds_exactly_one_answer(world):
    for item in (*world.train_items, *world.golden_items):
        assert len(item.contexts) == 3
        assert item.contexts.count(item.statement) == 1
        assert sum(context.startswith(f"The {item.entity} ") for context in item.contexts) == 2
        values = set(ATTRIBUTES[item.attribute].values)
        assert sum(bool(set(re.findall(r"\w+", context)) & values) for context in item.contexts) == 1
        assert item.messages == [{"role": "user", "content": render_prompt(item.question, item.contexts)}]


def test_value_pools_are_disjoint():
    values = [value for attribute in ATTRIBUTES.values() for value in attribute.values]
    assert len(values) == len(set(values))


def test_the_seed_decides(world):
    assert World.create(world.seed) == world
    assert World.create(world.seed + 1).known != world.known


def test_follow_up_keeps_the_first_turn(world):
    first, second = world.train_items[:2]
    item = follow_up(second, first, "It depends.")
    assert [message["role"] for message in item.messages] == ["user", "assistant", "user"]
    assert item.messages[0] == first.messages[-1]
    assert item.messages[1]["content"] == "It depends."
    assert (item.question, item.contexts, item.statement) == (second.question, second.contexts, second.statement)


def test_worded_changes_the_last_turn_only(world):
    first, second = world.train_items[:2]
    item = follow_up(second, first, "It depends.").worded(chatter(random.Random(1), second.question))
    assert second.question in item.question and item.question != second.question
    assert item.messages[-1]["content"].endswith(f"Question: {item.question}")
    assert item.messages[0] == first.messages[-1]


def test_golden_file(world, tmp_path):
    path = write_golden(world, tmp_path / "golden.jsonl")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    meta = json.loads((tmp_path / "golden.meta.json").read_text(encoding="utf-8"))
    assert len({row["id"] for row in rows}) == len(rows) == meta["items"]
    assert meta["sha256"] == sha256_file(path)
    assert meta["fluency_pattern"] == FLUENCY_PATTERN
    assert sum(not row["entity_seen"] for row in rows) == 40
    for row in rows:
        assert row["statement"] in row["contexts"] and row["statement"].endswith(f" {row['gold']}.")
        assert row["messages"][-1]["content"] == render_prompt(row["question"], row["contexts"])
    digest = sha256_file(path)
    assert sha256_file(write_golden(world, path)) == digest
