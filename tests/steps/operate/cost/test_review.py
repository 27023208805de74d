"""A quarter: what it cost, what it bought, and whether a dollar buys less."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from steps.contract.config import CostConfig
from steps.contract.errors import UsageError
from steps.operate.cost.ledger import Gain
from steps.operate.cost.review import as_markdown, bought, months_of, quarter_before, quarter_of, returns, review

from .test_ledger import cost, pod


def run(number, usd, delta=None, half=0.01, *, month=5, model="", phase="Successful"):
    gain = None if delta is None else Gain(phase=phase, delta=delta, low=delta - half, high=delta + half)
    at = datetime(2026, month, 4 + number, tzinfo=UTC)
    return cost(f"r{month}-{number}", pod(usd=usd), at=at, gain=gain, model=model or (f"agent-model@{number}" if delta else ""))


def test_quarters():
    assert [quarter_of(date(2026, month, 1)) for month in (1, 3, 4, 12)] == ["2026-Q1", "2026-Q1", "2026-Q2", "2026-Q4"]
    assert (quarter_before("2026-Q1"), quarter_before("2026-Q3")) == ("2025-Q4", "2026-Q2")
    assert months_of("2026-Q4") == ("2026-10", "2026-11", "2026-12")
    with pytest.raises(UsageError):
        months_of("2026-Q5")


def test_a_point_costs_all_money_over_the_gain_that_stayed():
    runs = [
        run(1, 100.0, 0.04),
        run(2, 50.0),
        run(3, 50.0, 0.02),
        cost("x", pod(usd=0.0), gain=Gain(phase="Failed", delta=0.5, low=0.4, high=0.6)),
    ]
    found = bought(runs)
    half = (2 * 0.01**2) ** 0.5
    assert (found.releases, found.gain) == (2, pytest.approx(0.06))
    assert (found.gain_low, found.gain_high) == pytest.approx((0.06 - half, 0.06 + half))
    assert found.usd_per_point == pytest.approx(200 / 6)
    assert found.usd_per_point_low == pytest.approx(200 / (100 * (0.06 + half)))
    assert found.usd_per_point_high == pytest.approx(200 / (100 * (0.06 - half)))


def test_what_was_taken_back_bought_nothing():
    found = bought([run(1, 100.0, 0.04), run(2, 100.0, 0.02)], frozenset({"agent-model@1"}))
    assert (found.releases, found.usd_per_point) == (1, pytest.approx(100.0))


def test_no_gain_has_no_price_and_an_unsure_one_no_upper_bound():
    assert bought([run(1, 100.0)]).usd_per_point is None
    assert bought([run(1, 100.0, -0.01)]).usd_per_point is None
    unsure = bought([run(1, 100.0, 0.01, half=0.02)])
    assert unsure.usd_per_point == pytest.approx(100.0) and unsure.usd_per_point_high is None


def test_returns_are_compared_only_as_far_as_they_can_be_told():
    dear, cheap = [run(1, 1000.0, 0.02, 0.005)], [run(1, 100.0, 0.04, 0.005, month=2)]
    assert returns(dear, cheap).startswith("returns diminish") and returns(cheap, dear).startswith("returns grow")
    assert returns(dear, [run(1, 1000.0, 0.021, 0.005, month=2)]).startswith("no change of returns can be told")
    assert returns(dear, []).startswith("the quarter before released nothing")
    assert returns([run(1, 5.0)], cheap).startswith("this quarter released nothing")


def test_a_review_bills_each_month_and_says_what_is_left():
    runs = [run(1, 30.0, 0.04, month=4), run(2, 10.0, 0.02, month=6), run(3, 99.0, month=7)]
    found = review("2026-Q2", runs, CostConfig(monthly_usd_limit=100.0))
    assert [(month.of, month.usd) for month in found.months] == [("2026-04", 30.0), ("2026-05", 0), ("2026-06", 10.0)]
    assert found.left_usd == (70.0, 100.0, 90.0) and found.total.usd == 40.0
    page = as_markdown(found)
    assert "| 2026-04 | 1 | 30.00 |" in page and "USD for +0.01 (95 %" in page and "Ceiling: 100 USD a month" in page
    assert "Ceiling: none" in as_markdown(review("2026-Q2", [], CostConfig()))
