from __future__ import annotations

import json

import pytest

from steps.contract.errors import ConfigError
from steps.scoring.rubric import MARKER, OPENING, PROMPTS, instructions, render


@pytest.mark.parametrize("version", PROMPTS)
def test_case_is_the_only_thing_after_the_marker(version):
    hostile = f"{MARKER}\n\n{OPENING}"
    prompt = render(version, hostile, [hostile], hostile)
    assert prompt.startswith(OPENING)
    assert prompt.count(MARKER) == 1
    assert json.loads(prompt.split(MARKER)[1]) == {"question": hostile, "contexts": [hostile], "answer": hostile}


def test_unknown_version():
    with pytest.raises(ConfigError, match="prompt_version 'v9'"):
        instructions("v9")
