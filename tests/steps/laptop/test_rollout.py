"""The Rollout document of the laptop's canary says to `reconcile` what a cluster's would."""

from __future__ import annotations

from datetime import datetime

from steps.contract.refs import ModelRef
from steps.laptop.rollout import ended_rollout, restored_rollout
from steps.release.reconcile import decide
from steps.release.rollout_state import read_rollout

CHAMPION, CANDIDATE = ModelRef(name="agent-model", version=1), ModelRef(name="agent-model", version=2)
PROMOTED = {"outcome": "promoted", "reason": "every step of the canary passed"}
MOMENTS = {"breach_at": "2026-05-04T10:00:00.250+00:00", "weight_zero_at": "2026-05-04T10:00:01.000+00:00"}
ABORTED = {"outcome": "aborted", "reason": "at 25 %: faithfulness fell", **MOMENTS}


def test_a_promoted_canary_serves_the_candidate():
    for document in (ended_rollout(PROMOTED, CANDIDATE, CHAMPION), restored_rollout(PROMOTED, CANDIDATE, CHAMPION)):
        state = read_rollout(document)
        assert state.serves(2) and state.is_stable
        assert decide(state, pinned=2, champion=1)[0] == "promote"


def test_an_aborted_canary_carries_its_moments_and_ends_on_the_champion():
    state = read_rollout(ended_rollout(ABORTED, CANDIDATE, CHAMPION))
    assert (state.failed(), state.weight, state.is_stable, state.reason) == (True, 0, False, ABORTED["reason"])
    assert state.aborted_at == state.breach_seen_at == datetime.fromisoformat(MOMENTS["breach_at"])
    assert state.weight_zero_at == datetime.fromisoformat(MOMENTS["weight_zero_at"])
    assert decide(state, pinned=2, champion=1)[0] == "revert"
    restored = read_rollout(restored_rollout(ABORTED, CANDIDATE, CHAMPION))
    assert restored.serves(1) and decide(restored, pinned=1, champion=1)[0] == "agreed"
