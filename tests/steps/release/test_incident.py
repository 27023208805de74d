"""Incident timelines: how long an abort took, from what Kubernetes stamps, kept across runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from steps.contract.refs import ModelRef
from steps.release.incident import Timeline, find_breach

from .served import analysis_run

T0 = datetime(2020, 1, 2, 10, tzinfo=UTC)


def line(**given):
    values = {"environment": "kind", "withdrawn": ModelRef(name="m", version=2), "restored": ModelRef(name="m", version=1)}
    return Timeline(**{**values, "cause": "analysis", "reason": "worse", "limit_s": 300, **given})


def after(seconds):
    return T0 + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("phases", "second"),
    [
        (("Successful", "Failed", "Failed"), 10),
        (("Failed", "Successful", "Successful", "Failed"), 30),
        (("Failed",), 0),
        (("Inconclusive", "Error", "Failed"), 10),
    ],
)
def test_the_breach_is_the_first_of_the_last_row_of_bad_measurements(phases, second):
    assert find_breach([analysis_run(*phases)]) == (after(second), "error-ratio")


def test_what_did_not_fail_is_no_breach():
    assert find_breach([]) is None
    assert find_breach([analysis_run("Failed", phase="Successful"), analysis_run("Failed", dry=True)]) is None
    ended = {"status": {"phase": "Error", "completedAt": "2020-01-02T10:00:07Z", "message": "no metric"}}
    assert find_breach([ended]) == (after(7), "no metric")
    assert find_breach([{"status": {"phase": "Failed"}}]) is None


def test_events_stand_once_in_order_and_count_from_the_breach():
    found = line().add("breach_seen", T0).add("pin_reverted", after(40), "abc").add("weight_zero", after(2.5)).add("weight_zero", after(90))
    assert [(event.name, event.after_s) for event in found.events] == [("breach_seen", 0), ("weight_zero", 2.5), ("pin_reverted", 40)]
    assert found.warning() == ""
    assert "+    40.0 s  pin reverted in Git (abc)" in found.lines()[-1]
    assert found == Timeline.model_validate_json(found.model_dump_json())


def test_what_takes_longer_than_the_limit_is_a_warning():
    late = line().add("breach_seen", T0).add("weight_zero", after(3)).add("pin_reverted", after(301)).add("agreed", after(900))
    assert late.warning() == "m@2: over the limit of 300 s from the breach: pin reverted in Git after 301 s"
