"""Incident timelines over several runs: kept in the registry, recorded in the lake, closed once."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from steps.contract.refs import ModelRef
from steps.release.incident import Timeline, open_timeline
from steps.release.incident_record import OPEN, TIMELINE, mark_open
from steps.release.rollout_state import read_rollout
from steps.store.aliases import abort
from steps.store.lake import open_lake
from steps.store.registry import open_registry

from .served import ANALYSES, ROLLOUT, aborted, analysis_run, reconcile, rollout, tags


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_abort_is_metered_over_several_runs_and_recorded(ctx, api, caplog):
    api.objects[ROLLOUT] = aborted(weight=25)
    api.objects[ANALYSES] = {"items": [analysis_run("Successful", "Failed", "Failed"), analysis_run("Failed", rollout="another")]}
    first = reconcile(ctx)
    assert first.action == "reverted" and "labelSelector=rollouts-pod-template-hash%3Dnew" in api.asked[1][1]
    seconds = first.timeline.seconds()
    assert (seconds["breach_seen"], seconds["aborted"], first.timeline.cause) == (0, 20, "analysis")
    assert "weight_zero" not in seconds and {"pin_reverted", "alias_back"} <= seconds.keys()
    # That was years ago: over any limit.
    assert "over the limit of 300 s" in first.warning and first.warning in caplog.text
    assert OPEN in tags(ctx, 2)
    api.objects[ROLLOUT] = rollout("Healthy", version=1, canary={"weights": {"canary": {"weight": 0}}})
    last, quiet = reconcile(ctx), reconcile(ctx)
    assert {"weight_zero", "previous_serving", "agreed"} <= last.timeline.seconds().keys() and quiet.timeline is None
    assert last.timeline.find("pin_reverted") == first.timeline.find("pin_reverted")
    assert OPEN not in tags(ctx, 2) and json.loads(tags(ctx, 2)[TIMELINE]) == last.timeline.model_dump(mode="json")
    with open_lake(ctx.config, ctx.workdir) as lake:
        (record,) = lake.run_records("rollback")
    assert record.payload["withdrawn"] == f"{ctx.config.model_name}@2"
    assert record.payload["seconds"] == last.timeline.seconds() and record.payload["warning"] == last.warning


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_without_analyses_the_breach_is_the_abort(ctx, api, caplog):
    api.objects[ROLLOUT] = aborted()
    result = reconcile(ctx)
    assert (result.action, result.timeline.cause, result.timeline.events[0].at) == ("reverted", "person", "2020-01-02T10:00:30.000+00:00")
    assert "analyses cannot be read" in caplog.text


def test_a_lake_that_cannot_be_written_stops_nothing_and_is_written_later(ctx, caplog):
    blocked = ctx.workdir / "lake"
    blocked.write_text("in the way")
    result = reconcile(ctx, aborted())
    assert result.action == "reverted" and "not in the lake yet" in caplog.text
    blocked.unlink()
    assert reconcile(ctx, rollout("Healthy", version=1)).timeline is not None
    with open_lake(ctx.config, ctx.workdir) as lake:
        assert len(lake.run_records("rollback")) == 1


def test_a_retry_closes_the_timeline(ctx):
    client = open_registry(ctx.config, ctx.workdir)
    version = ModelRef(name=ctx.config.model_name, version=2)
    line = Timeline(environment="kind", withdrawn=version, restored=None, cause="person", reason="worse", limit_s=300)
    mark_open(client, open_timeline(line, read_rollout(aborted()), None, datetime.now(UTC)))
    abort(client, ctx.config.model_name, 2, "worse")
    reconcile(ctx, rollout("Progressing"))
    assert OPEN not in tags(ctx, 2) and tags(ctx, 2)[TIMELINE].count("tried again") == 1
