"""docs/cost.md says what the functions compute."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from steps.contract.config import CostConfig
from steps.contract.step_metrics import OF_A_MONTH, OF_A_QUARTER, OF_A_RUN
from workflows.generate.monthly_cost import LARGE_SERVING, PIPELINE, SERVING, SKETCH_USD, highest_spot_usd, tables, total

TEXT = (Path(__file__).parents[3] / "docs" / "cost.md").read_text(encoding="utf-8")
COST = CostConfig()


def test_the_tables_are_the_computed_ones():
    found = re.search(r"<!-- begin: workflows/generate/monthly_cost.py -->\n(.*?)\n<!-- end -->", TEXT, re.DOTALL)
    assert found and found[1] == tables(COST), (
        "put the output of workflows.generate.monthly_cost.tables(CostConfig()) between the marks of docs/cost.md"
    )


def test_what_the_text_concludes_holds():
    low, high = total(PIPELINE, COST)
    assert low < high < SKETCH_USD, "the pipeline alone holds"
    assert total((*PIPELINE, *SERVING), COST)[0] > SKETCH_USD, "with serving it does not"
    assert highest_spot_usd(COST, (*PIPELINE[1:], *SERVING), 12) < 0, "at no Spot price"
    awake = 3 * 730 * 0.8048
    reward = PIPELINE[3].usd(COST)[1]
    assert f"{awake:,.0f} USD" in TEXT and high - reward + awake > SKETCH_USD
    assert f"{LARGE_SERVING.usd(COST)[0]:,.0f} USD a month for one replica" in TEXT
    node = COST.instances["p5en.48xlarge"].usd_an_hour("on-demand")
    assert f"({node:g} / 8)" in TEXT and f"{node / 8:.2f} USD" in TEXT
    assert f"{3 * node * 4:,.0f} to {3 * node * 6:,.0f} USD" in TEXT
    assert f"3 x {node:g} / 6 = {3 * node / 6:.0f} USD a run" in TEXT


def test_a_spot_price_lowers_the_plan():
    spot = CostConfig.model_validate({"instances": {"p5en.48xlarge": {"hour_usd": {"spot": 20.0}}}})
    assert PIPELINE[0].usd(spot) == pytest.approx((3 * 8 * 20, 3 * 12 * 20))
    assert "63.296 at most" in tables(COST) and "| 20 |" in tables(spot)


def test_every_metric_is_documented():
    for item in (*OF_A_RUN, *OF_A_MONTH, *OF_A_QUARTER):
        assert f"`{item.name}`" in TEXT
