"""The overview of lake, registry and pin."""

from __future__ import annotations

from steps.operate.status import overview
from steps.store.lake import open_lake
from steps.store.units import UNIT_STAGE


def test_what_serves_what_is_pinned_and_what_was_recorded(ctx):
    with open_lake(ctx.config, ctx.workdir) as lake:
        lake.append_run_record("run-0", UNIT_STAGE, {"unit": 1}, key="unit:1")
        lake.append_run_record("run-1", "workflow", {"outcome": "succeeded"}, key="workflow:1")
        runs = str(lake.current("runs"))
    found, name = overview(ctx.config, ctx.workdir), ctx.config.model_name
    assert (found["champion"], found["candidate"], found["previous"], found["pinned"]) == (f"{name}@1", f"{name}@2", None, f"{name}@2")
    assert found["released"]["model"]["version"] == 2
    assert found["tables"]["runs"] == runs and found["rows"]["runs"] >= 2 and found["rows"]["traces"] == 0
    stages = [record["stage"] for record in found["records"]]
    assert "workflow" in stages and UNIT_STAGE not in stages, "units of a fan-out are no news"


def test_an_empty_house_has_nothing(ctx, tmp_path):
    config = ctx.config.model_copy(update={"model_name": "nobody"})
    found = overview(config, tmp_path / "empty")
    assert found["champion"] is found["candidate"] is found["pinned"] is None
    assert set(found["rows"].values()) == {0} and found["records"] == []
