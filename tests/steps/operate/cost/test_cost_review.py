"""The step that reviews a quarter's bill."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from steps.contract.catalog import find_step
from steps.contract.config import PipelineConfig
from steps.contract.errors import UsageError
from steps.contract.runtime import run_step
from steps.contract.spec import StepContext
from steps.operate.cost.ledger import record_cost
from steps.store.lake import open_lake
from steps.store.registry import open_registry

from .test_review import run


def test_the_step_writes_both_files_and_leaves_aborted_versions_out(tmp_path):
    config = PipelineConfig.model_validate({"cost": {"monthly_usd_limit": 100.0}})
    ctx = StepContext(config, "review-1", tmp_path)
    client = open_registry(config, tmp_path)
    client.ensure_model("agent-model")
    for number in (1, 2):
        client.create_version("agent-model", f"file:///m{number}", {"ctp.uri": "file:///m", "ctp.sha256": "a" * 64}, "card")
    client.set_tag("agent-model", 2, "ctp.aborted", "canary")
    with open_lake(config, tmp_path) as lake:
        for item in (run(1, 30.0, 0.03, month=4), run(2, 10.0, 0.02, month=5)):
            record_cost(lake, item)
    result = run_step(find_step("cost-review"), {"quarter": "2026-Q2"}, ctx)
    assert (result.quarter, result.usd_at_most, result.releases, result.priced) == ("2026-Q2", 40.0, 1, True)
    assert result.usd_per_point == pytest.approx(40 / 3, abs=1e-5) and result.left_usd == 100.0
    document = json.loads(Path(result.report.local_path()).read_text())
    assert document["bought"]["releases"] == 1 and len(document["months"]) == 3
    assert Path(result.page.local_path()).read_text().startswith("# Cost review 2026-Q2")
    assert (result.notified, result.reason) == (False, "")
    with pytest.raises(UsageError):
        run_step(find_step("cost-review"), {"quarter": "Q2"}, ctx)
