"""`ctp run` refuses a training above the budget before anybody is asked and anything trains."""

from __future__ import annotations

import pytest
from rich.console import Console

from steps.contract.config import PipelineConfig
from steps.laptop.loop import Loop
from steps.laptop.progress import ConsoleProgress
from steps.laptop.runner import run_to_end
from steps.laptop.services import Services
from steps.laptop.state import RunStore
from steps.operate.cost.ledger import run_costs
from steps.store.lake import open_lake

CURATED = {"phase": "Successful", "reason": "", "pairs": 160, "prompts": 40, "digest": "a" * 64, "snapshot_id": "1"}


@pytest.mark.parametrize(
    ("cost", "max_cost_usd", "said"),
    [({"monthly_usd_limit": 1e-6}, 0.0, "cost.monthly_usd_limit"), ({}, 1e-6, "max-cost-usd")],
)
def test_a_training_above_the_budget_ends_the_run(tmp_path, cost, max_cost_usd, said):
    config, store = PipelineConfig.model_validate({"cost": cost}), RunStore(tmp_path)
    state, _ = store.begin(seed=0, method="dpo", sabotage=False, sources=(), config_hash=config.digest())
    done = {name: {} for name in ("traffic", "resolve", "ingest", "govern", "label")}
    state.results |= done | {"world": {"golden": ""}, "check-params": {"method": "dpo", "trainer": "trl"}, "curate": CURATED}
    state.seconds["label"] = 10.0
    console = Console(quiet=True)
    with Services(config, tmp_path) as services:
        # Nobody could answer here: an approval would end with an error.
        loop = Loop(config, tmp_path, state, store, services, console, ConsoleProgress(console), False, max_cost_usd)
        run_to_end(loop)
    assert state.outcome == "rejected" and said in state.reason and "is refused" in state.reason
    assert not {"approve-train", "train", "gate", "register", "release", "canary"} & state.results.keys()
    with open_lake(config, tmp_path) as lake:
        (metered,) = run_costs(lake)
    assert metered.run_id == state.run_id and {pod.stage for pod in metered.pods} == {"label", "estimate"}
    assert metered.usd_at_most > 0 and metered.model == ""
