"""A declined run ends in exit code 65."""

from __future__ import annotations

import pytest

from steps.contract.catalog import find_step
from steps.contract.errors import DataError
from steps.contract.runtime import run_step


def test_reject_ends_with_65_and_says_who_and_why(ctx):
    with pytest.raises(DataError, match="rejected at approve-train by Ada: too few pairs") as caught:
        run_step(find_step("reject"), {"stage": "approve-train", "by": "Ada", "reason": "too few\npairs"}, ctx)
    assert caught.value.exit_code == 65
