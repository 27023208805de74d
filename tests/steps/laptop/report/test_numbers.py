from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from steps.laptop.report import numbers


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (numbers.count(1234), "1,234"),
        (numbers.score(0.5432), "0.54"),
        (numbers.score(-0.0001), "0.00"),
        (numbers.score(-0.25), "−0.25"),
        (numbers.signed(0.38), "+0.38"),
        (numbers.signed(-0.38), "−0.38"),
        (numbers.signed(0.001), "0.00"),
        (numbers.measure(64.0), "64"),
        (numbers.measure(0.0221), "0.022"),
        (numbers.measure(1.0), "1.000"),
        (numbers.interval((0.31, 0.44)), "0.31–0.44"),
        (numbers.interval((-0.02, 0.1)), "−0.02 to 0.10"),
        (numbers.percent(0.2513), "25.1 %"),
        (numbers.percent(1.0), "100 %"),
        (numbers.plain(412.4, "ms"), "412 ms"),
        (numbers.plain(3.14, "ms"), "3.1 ms"),
        (numbers.plain(21.44, "tokens"), "21.4"),
        (numbers.duration(0.42), "0.4 s"),
        (numbers.duration(0.01), "<0.1 s"),
        (numbers.duration(0), "0.0 s"),
        (numbers.duration(59.96), "1 min 00 s"),
        (numbers.duration(185), "3 min 05 s"),
        (numbers.duration(7500), "2 h 05 min"),
        (numbers.dollars(12.3), "$12.30"),
        (numbers.dollars(0.0023), "$0.0023"),
        (numbers.dollars(1e-6), "<$0.0001"),
        (numbers.dollars(0), "$0.00"),
    ],
)
def test_numbers_read_well(told, expected):
    assert told == expected


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["count", "score", "signed", "measure", "percent", "plain", "duration", "dollars"])
def test_what_is_missing_is_a_dash(name, value):
    assert getattr(numbers, name)(value) == "–"


def test_missing_intervals_and_moments():
    assert numbers.interval(None) == numbers.interval((None, 0.3)) == numbers.moment(None) == "–"


def test_moment_is_utc():
    assert numbers.moment(datetime(2026, 1, 1, 1, 0, tzinfo=timezone(timedelta(hours=2)))) == "2025-12-31 23:00:00 UTC"
