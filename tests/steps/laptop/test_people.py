from __future__ import annotations

import itertools
from collections import Counter

import pytest

from steps.contract.config import GovernConfig
from steps.laptop.live import endless_asks
from steps.laptop.people import make_people, plan_requests
from steps.laptop.users import trace_id_of
from steps.laptop.world.domain import World

ALLOWED = GovernConfig().allowed_regions


@pytest.fixture(scope="module")
def world():
    return World.create(5)


def plan(world, run_id="run-0001"):
    return plan_requests(world, make_people(world.seed, ALLOWED), run_id=run_id, per_prompt=6)


def test_plan_is_the_same_for_the_same_run_and_another_for_the_next(world):
    assert plan(world) == plan(world)
    assert [ask.item.key for ask in plan(world)] != [ask.item.key for ask in plan(world, "run-0002")]


def test_every_training_question_is_asked_and_no_held_out_one(world):
    asked = {ask.item.key for ask in plan(world)}
    assert asked == {item.key for item in world.train_items}
    text = " ".join(ask.question + " ".join(ask.item.contexts) for ask in plan(world))
    assert not [name for name in world.unseen_entities if name in text]
    assert not [item.statement for item in world.golden_items if item.statement in text]


def test_users_of_every_kind_ask(world):
    asks = plan(world)
    people = [ask.person for ask in asks]
    assert {"train", "none"} <= {person.consent for person in people}
    assert "confidential" in {person.confidentiality for person in people}
    assert any(person.region not in ALLOWED for person in people)
    assert any(ask.broken for ask in asks) and any(ask.delivered_twice for ask in asks) and any(ask.thumb for ask in asks)
    assert sum(ask.question != ask.item.question for ask in asks) > 20


def test_follow_ups_stand_after_their_first_turn_in_the_same_session(world):
    asks = plan(world)
    follow_ups = [ask for ask in asks if ask.follows is not None]
    assert follow_ups
    for ask in follow_ups:
        first = asks[ask.follows]
        assert (first.index, first.session, first.person) == (ask.follows, ask.session, ask.person)
        assert first.index < ask.index


def test_indices_number_the_plan(world):
    assert [ask.index for ask in plan(world)] == list(range(len(plan(world))))


def test_live_asks_never_repeat_an_index_and_keep_follow_ups_together(world):
    asks = list(itertools.islice(endless_asks(world, make_people(world.seed, ALLOWED), "run-0001"), 900))
    assert [ask.index for ask in asks] == list(range(900))
    assert all(asks[ask.follows].session == ask.session for ask in asks if ask.follows is not None)


def test_trace_ids_are_distinct_and_stable():
    ids = Counter(
        trace_id_of(seed, run, phase, index) for seed in (0, 1) for run in ("a", "b") for phase in ("x", "y") for index in range(50)
    )
    assert max(ids.values()) == 1
    assert trace_id_of(0, "a", "x", 1) == trace_id_of(0, "a", "x", 1)
    assert all(len(value) == 32 and int(value, 16) for value in ids)
