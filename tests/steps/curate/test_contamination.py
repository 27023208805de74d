from __future__ import annotations

import pytest

from steps.core.golden import GoldenItem
from steps.curate.contamination import GoldenGuard


def guard(*items):
    rows = [{"id": str(n), "messages": [{"role": "user", "content": "?"}], **item} for n, item in enumerate(items)]
    return GoldenGuard([GoldenItem.model_validate(row) for row in rows])


GUARD = guard(
    {"question": "Which port does Aurora use?", "statement": "Aurora listens on port 8443."},
    {"question": "Who owns Tundra?", "statement": "Tundra"},
    {"question": "No statement?"},
)


@pytest.mark.parametrize("question", ["Which port does Aurora use?", "  which PORT does\nAurora use", "no statement"])
def test_a_golden_question_in_any_spelling(question):
    assert GUARD.holds(question, [])


@pytest.mark.parametrize(
    "context",
    [
        "Aurora listens on port 8443.",
        "Note: aurora listens, on port 8443 (see below).",
        "a\nTUNDRA is cold",
        "Aurora listens on aurora listens on port 8443",
    ],
)
def test_a_golden_statement_inside_a_context(context):
    assert GUARD.holds("Other?", ["harmless", context])


@pytest.mark.parametrize("context", ["Aurora listens on port 84430.", "Aurora listens on port", "Tundras", "", "port 8443"])
def test_near_misses_are_kept(context):
    assert not GUARD.holds("Which port does Borealis use?", [context])


def test_without_a_golden_set_everything_is_kept():
    assert not guard().holds("Which port?", ["Aurora listens on port 8443."])
