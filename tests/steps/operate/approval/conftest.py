"""A run in an empty work folder."""

from __future__ import annotations

import pytest

from steps.contract.config import PipelineConfig
from steps.contract.spec import StepContext


@pytest.fixture
def ctx(tmp_path):
    return StepContext(PipelineConfig(), "run-1", tmp_path)
