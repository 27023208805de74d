from __future__ import annotations

import re

from steps.registry.lineage import pipeline_revision


def test_the_pipeline_names_its_revision():
    assert re.match(r"(git:[0-9a-f]{40}(\+changes)?|package:\S+)$", pipeline_revision())
