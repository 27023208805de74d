"""What a Rollout object says about its model."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from steps.contract.errors import DataError
from steps.release.rollout_state import BREACH_SEEN_AT, WEIGHT_ZERO_AT, parse_timestamp, read_rollout

from .served import aborted, rollout


def test_a_healthy_rollout_serves_its_version():
    state = read_rollout(rollout("Healthy"))
    assert state.serves(2) and not state.serves(1) and not state.failed() and not state.is_moving()
    assert (state.weight, state.aborted_at, state.reason) == (None, None, "the Rollout is Healthy")


@pytest.mark.parametrize("phase", ["Progressing", "Paused"])
def test_a_rollout_on_its_way_moves(phase):
    state = read_rollout(rollout(phase, canary={"weights": {"canary": {"weight": 25}}}, currentPodHash="b", stableRS="a"))
    assert state.is_moving() and (state.weight, state.pod_hash, state.is_stable) == (25, "b", False)


def test_an_aborted_rollout_has_failed_and_tells_its_moments():
    state = read_rollout(aborted())
    assert state.failed() and state.aborted_at == datetime(2020, 1, 2, 10, 0, 30, tzinfo=UTC) and state.weight == 0
    document = aborted()
    document["metadata"]["annotations"] = {BREACH_SEEN_AT: "2020-01-02T10:00:00Z", WEIGHT_ZERO_AT: "2020-01-02 10:00:31"}
    state = read_rollout(document)
    assert state.breach_seen_at == datetime(2020, 1, 2, 10, tzinfo=UTC) and state.weight_zero_at is None, "a moment needs its offset"


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (rollout("Healthy", observedGeneration="3"), "has not seen the newest specification"),
        (rollout("Degraded", conditions=[{"type": "InvalidSpec", "status": "True", "message": "bad\nfield"}]), "invalid.*: bad field"),
        (rollout("Exploded"), "phase is 'Exploded'"),
        ({**rollout("Healthy"), "status": None}, "has not seen"),
    ],
)
def test_what_says_nothing_about_the_model_is_unknown(document, reason):
    state = read_rollout(document)
    assert state.phase == "Unknown" and not (state.failed() or state.is_moving() or state.serves(2))
    assert re.search(reason, state.reason), state.reason


def test_no_rollout_is_absent_and_something_else_is_refused():
    assert read_rollout(None).phase == "Absent"
    for document in ({"kind": "Pod", "spec": {}}, {"kind": "Rollout"}):
        with pytest.raises(DataError, match="is no Rollout object"):
            read_rollout(document)
    with pytest.raises(DataError, match="'two' is no version number"):
        read_rollout(rollout("Healthy", version="two"))


def test_the_version_may_stand_in_an_annotation_or_nowhere():
    document = rollout("Healthy", version=None)
    assert read_rollout(document).version is None
    document["spec"]["template"]["metadata"] = {"annotations": {"ctp.model-version": "7"}}
    assert read_rollout(document).version == 7
    assert [parse_timestamp(text) for text in (None, "soon", "2020-01-02T10:00:00")] == [None, None, None]
