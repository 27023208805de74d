from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steps.ingest.langfuse_api.windows import WINDOW, begin_at, from_document, new_schedule, to_document

DAY = datetime(2026, 11, 28, tzinfo=UTC)
DELAYS = [timedelta(minutes=minutes) for minutes in (15, 60, 1440)]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 700), min_size=1, max_size=20))
def test_every_window_is_read_and_read_again_after_each_delay(steps):
    schedule, now, readings = new_schedule(DAY.date()), DAY, {}
    for minutes in steps:
        now += timedelta(minutes=minutes)
        assert schedule.count_due(now, DELAYS) >= (schedule.first_due(now, DELAYS) is not None)
        while poll := schedule.first_due(now, DELAYS):
            assert poll.end + DELAYS[poll.number] <= now
            readings.setdefault(poll.start, []).append(now)
            schedule.complete(poll, now, DELAYS)
        schedule = from_document(to_document(schedule))
        assert schedule.count_due(now, DELAYS) == 0
    closed = [DAY + WINDOW * number for number in range((now - DELAYS[0] - DAY) // WINDOW)]
    assert sorted(readings) == closed
    for start, moments in readings.items():
        assert len(moments) <= len(DELAYS)
        assert moments == sorted(set(moments)), "no window is read twice in one pull"
        for delay in DELAYS:
            if start + WINDOW + delay <= now:
                assert any(moment >= start + WINDOW + delay for moment in moments), "what had arrived by then is seen"
    assert len(schedule.open) <= (DELAYS[-1] + timedelta(minutes=700)) / WINDOW + 1


def test_the_first_day_moves():
    schedule = new_schedule(DAY.date())
    poll = schedule.first_due(DAY + timedelta(hours=1), DELAYS)
    schedule.complete(poll, DAY + timedelta(hours=1), DELAYS)
    schedule.project = "p1"
    assert begin_at(schedule, DAY.date()) == schedule
    later = begin_at(schedule, date(2026, 12, 1))
    assert (later.next, later.open) == (datetime(2026, 12, 1, tzinfo=UTC), schedule.open)
    earlier = begin_at(schedule, date(2026, 11, 1))
    assert (earlier.next, earlier.open, earlier.project) == (datetime(2026, 11, 1, tzinfo=UTC), {}, "p1")


@pytest.mark.parametrize("document", [{}, [], {"since": "x", "next": "y", "open": {}}, {"since": "2026-11-28", "next": 3, "open": []}])
def test_no_schedule(document):
    with pytest.raises((ValueError, KeyError, TypeError, AttributeError)):
        from_document(document)
