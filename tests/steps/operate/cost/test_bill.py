"""`ctp cost`: the bill of a run and of a month."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from steps.contract.config import CostConfig
from steps.operate.cost.bill import bill, month_bill

from .test_ledger import cost, pod

CONFIG = CostConfig(monthly_usd_limit=100.0)


def test_stages_are_summed_dearest_first():
    runs = [cost("a", pod(usd=3.0, stage="label"), pod(usd=20.0, name="t")), cost("b", pod(usd=5.0, name="lost", metered=False))]
    found = bill("2026-05", runs, CONFIG)
    assert [row.stage for row in found.stages] == ["train", "label"]
    train = found.stages[0]
    assert (train.pods, train.usd, train.uncounted_usd_at_most, train.budget_ratio) == (2, 20.0, 5.0, 0.25)
    assert (found.runs, found.usd, found.uncounted_usd_at_most, found.budget_ratio) == (2, 23.0, 5.0, 0.28)
    assert train.usd_an_hour == pytest.approx(25.0 / (2 / 3600))


def test_a_month_holds_what_ended_in_it_by_utc():
    runs = [cost("a", at=datetime(2026, 4, 30, 23, 59, tzinfo=UTC)), cost("b", at=datetime(2026, 5, 1, tzinfo=UTC))]
    assert month_bill("2026-05", runs, CONFIG).runs == 1
    assert bill("x", runs, CostConfig()).budget_ratio is None
