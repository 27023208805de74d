"""The sentence that a run ends with."""

from __future__ import annotations

import pytest

from steps.laptop.summary import headline


@pytest.mark.parametrize(
    ("report", "said"),
    [
        ({"outcome": "promoted", "gate": {"metrics": {"faithfulness": {"champion": 0.5, "candidate": 0.9}}}}, "Promoted: faithfulness on"),
        ({"outcome": "aborted", "reason": "slow"}, "Aborted: the canary was worse than the champion, all traffic is back on it. slow"),
        ({"outcome": "rejected", "reason": "worse", "gate": {"phase": "Failed"}}, "Rejected: the champion stays. worse"),
        ({"outcome": "rejected", "reason": "too few", "gate": {"phase": "Inconclusive"}}, "Undecided, so the champion stays. too few"),
        ({"outcome": "rejected", "reason": "declined", "gate": None}, "Rejected: the champion stays. declined"),
    ],
)
def test_headline(report, said):
    assert headline(report).startswith(said)
