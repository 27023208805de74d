"""The end of a workflow: its cost and its gain on record."""

from __future__ import annotations

import pytest

from steps.contract.config import PipelineConfig
from steps.contract.spec import StepContext
from steps.operate.cost.ledger import Gain, run_costs
from steps.operate.cost.record_run import record_workflow, verdict_of
from steps.store.lake import open_lake

from .workflow_object import METRICS, pod, released, workflow


def test_a_release_is_recorded_once_with_what_the_gate_measured(tmp_path):
    ctx = StepContext(PipelineConfig(), "uid-1", tmp_path)
    with open_lake(ctx.config, tmp_path) as lake:
        for _ in range(2):
            record_workflow(lake, ctx, workflow(released()))
        (found,) = run_costs(lake)
    assert (found.run_id, found.workflow, found.model) == ("uid-1", "continuous-training", "agent-model@2")
    assert found.gain == Gain(phase="Successful", delta=0.04, low=0.02, high=0.06)
    assert found.usd_at_most == pytest.approx(2 * 63.296 + 0.5 * 4.6016, abs=0.5)
    assert found.gpu_hours_at_most == pytest.approx(17.0)


def test_a_failed_gate_has_a_gain_and_no_model():
    gate = pod("gate", 5, {"cpu": 1}, outputs={"phase": "Failed", "metrics": METRICS})
    assert verdict_of({"g": gate}) == (Gain(phase="Failed", delta=0.04, low=0.02, high=0.06), "")
    assert verdict_of({"g": pod("gate", 5, {"cpu": 1}, phase="Failed")}) == verdict_of({}) == (None, "")
