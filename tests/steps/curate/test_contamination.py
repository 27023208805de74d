from __future__ import annotations

import pytest

from steps.curate.contamination import GoldenGuard
from steps.store.golden import GoldenItem


def guard(*items):
    rows = [{"id": str(n), "messages": [{"role": "user", "content": "?"}], **item} for n, item in enumerate(items)]
    return GoldenGuard([GoldenItem.model_validate(row) for row in rows])


GUARD = guard(
    {"question": "Which port does Aurora use?", "statement": "Aurora listens on port 8443."},
    {"question": "Who owns Tundra?", "statement": "Tundra"},
    {"question": "No statement?"},
)


@pytest.mark.parametrize("question", ["Which port does Aurora use?", "  which PORT does\nAurora use", "no statement"])
def test_a_golden_question_in_any_spelling(question):
    assert GUARD.holds(question, [])


@pytest.mark.parametrize(
    "context",
    [
        "Aurora listens on port 8443.",
        "Note: aurora listens, on port 8443 (see below).",
        "a\nTUNDRA is cold",
        "Aurora listens on aurora listens on port 8443",
    ],
)
def test_a_golden_statement_inside_a_context(context):
    assert GUARD.holds("Other?", ["harmless", context])


@pytest.mark.parametrize("context", ["Aurora listens on port 84430.", "Aurora listens on port", "Tundras", "", "port 8443"])
def test_near_misses_are_kept(context):
    assert not GUARD.holds("Which port does Borealis use?", [context])


def test_without_a_golden_set_everything_is_kept():
    assert not guard().holds("Which port?", ["Aurora listens on port 8443."])


NEAR = guard(
    {"question": "Which port does the Silver Falcon use?"},
    {"question": "How long does the Silver Falcon keep logs?"},
    {"question": "What happened to order 4317 in the north region?"},
    {"question": "환불 정책은 어떻게 되나요?"},
)


@pytest.mark.parametrize(
    "question",
    [
        "Hi there! Which port does the Silver Falcon use, please? Thanks.",
        "The Silver Falcon: which port does it use?",
        "Which ports does the Silver Falcon use?",
        "Which port does the Silver Falcn use?",
        "what happend to order 4317 in the north region",
        "안녕하세요, 환불 정책은 어떻게 되나요",
    ],
)
def test_a_golden_question_in_nearly_the_same_words(question):
    assert NEAR.holds(question, [])


@pytest.mark.parametrize(
    "question",
    [
        "Which port does the Silver Harbor use?",
        "Which port does the Crimson Falcon use?",
        "Which team owns the Silver Falcon?",
        "What happened to order 4318 in the north region?",
        "What happened to order 4317 in the south region?",
        "배송 정책은 어떻게 되나요?",
        "",
    ],
)
def test_another_name_or_number_is_another_question(question):
    assert not NEAR.holds(question, [])


def test_a_golden_question_in_an_earlier_turn():
    earlier = "Context:\n- It is cold.\nQuestion: Which port does the Silver Falcon use?"
    assert NEAR.holds("And why?", [], [earlier, "And why?"])
    assert not NEAR.holds("And why?", [], ["Which port is it?", "And why?"])


@pytest.mark.parametrize("seed", range(3))
def test_the_sample_worlds_questions_are_not_mistaken_for_its_golden_ones(seed, tmp_path):
    from steps.contract.files import sha256_file
    from steps.contract.refs import ArtifactRef
    from steps.laptop.world.domain import World
    from steps.laptop.world.golden import write_golden
    from steps.store.golden import read_golden

    world = World.create(seed)
    path = write_golden(world, tmp_path / "golden.jsonl")
    items = read_golden(ArtifactRef(uri=path.as_uri(), sha256=sha256_file(path))).items
    found = GoldenGuard(items)
    assert not [item.question for item in world.train_items if found.holds(item.question, item.contexts)]
    assert all(found.holds(f"Hello, {item.question} Thank you", []) for item in world.golden_items)
    assert all(len(item.good) == len(item.bad) == 1 for item in items)
