"""An estimate above the limit of the run fails."""

from __future__ import annotations

from steps.contract.catalog import find_step
from steps.contract.runtime import run_step


def test_an_estimate_above_the_limit_fails(ctx):
    assert run_step(find_step("estimate"), {"pairs": "1000", "max_cost_usd": "0"}, ctx).phase == "Successful"
    over = run_step(find_step("estimate"), {"pairs": "1000", "max_cost_usd": "0.0001"}, ctx)
    assert (over.phase, over.config_hash) == ("Failed", ctx.config.digest())
    assert "above the limit" in over.reason
