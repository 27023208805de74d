"""Wrong workflow parameters end a run at once; the window of days is fixed once."""

from __future__ import annotations

import pytest

from steps.contract.catalog import find_step
from steps.contract.errors import UsageError
from steps.contract.runtime import run_step


@pytest.mark.parametrize(
    "wrong",
    [
        {"window_days": "-1"},
        {"window_days": "many"},
        {"method": "ppo"},
        {"trainer": "x"},
        {"max_cost_usd": "-1"},
        {"max_cost_usd": "nan"},
        {"base_model": "/nowhere/at/all"},
        {"base_model": "a b"},
        {"today": "tomorrow"},
        {"unknown": "1"},
    ],
)
def test_wrong_workflow_parameters_end_at_once(ctx, wrong):
    with pytest.raises(UsageError) as caught:
        run_step(find_step("check-params"), wrong, ctx)
    assert caught.value.exit_code == 64


def test_the_window_is_fixed_once(ctx):
    checked = run_step(
        find_step("check-params"), {"window_days": "14", "today": "2026-06-30", "base_model": "org/model", "sources": ""}, ctx
    )
    assert (checked.since, checked.until) == ("2026-06-17", "2026-06-30")
    assert run_step(find_step("check-params"), {"window_days": "0"}, ctx).since == ""
