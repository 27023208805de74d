"""The sentence that a run ends with."""

from __future__ import annotations

import pytest

from steps.laptop.report.record import RunReport
from steps.laptop.summary import headline

BETTER = {"champion": 0.5, "candidate": 0.9, "delta": 0.4, "n": 80}


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (
            {"outcome": "promoted", "gate": {"phase": "Successful", "metrics": {"faithfulness": BETTER}}},
            "Promoted: faithfulness on",
        ),
        ({"outcome": "aborted", "reason": "slow"}, "Aborted: the canary was worse than the champion, all traffic is back on it. slow"),
        ({"outcome": "rejected", "reason": "worse", "gate": {"phase": "Failed"}}, "Rejected: the champion stays. worse"),
        ({"outcome": "rejected", "reason": "too few", "gate": {"phase": "Inconclusive"}}, "Undecided, so the champion stays. too few"),
        ({"outcome": "rejected", "reason": "declined", "gate": None}, "Rejected: the champion stays. declined"),
    ],
)
def test_headline(report, said):
    record = RunReport.model_validate({"run_id": "run-0001", "seed": 0, "method": "dpo", **report})
    assert headline(record).startswith(said)
