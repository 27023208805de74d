"""Rollback by hand, at any moment."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from steps.cli.main import app
from steps.contract.catalog import find_step
from steps.contract.errors import DataError, TransientError
from steps.contract.runtime import run_step
from steps.release.change import current, current_pin
from steps.store.aliases import ABORTED, ROLLED_BACK, abort
from steps.store.lake import open_lake
from steps.store.registry import open_registry

from .served import ROLLOUT, reconcile, rollout, serving, tags

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def roll_back(ctx, **given):
    return run_step(find_step("rollback"), {"approved_by": "Ada", **given}, ctx)


def test_during_a_canary_the_champion_comes_back(ctx):
    result = roll_back(ctx, reason="users\ncomplain")
    assert (result.model.version, result.withdrawn.version, result.replaced, result.changed) == (1, 2, None, True)
    pin, manifest = current(ctx)
    assert (pin.version, manifest.model_version, serving(ctx)) == (1, 1, 1)
    assert tags(ctx, 2)[ABORTED] == "users complain"
    assert {"breach_seen", "pin_reverted", "alias_back"} == result.timeline.seconds().keys() and not result.warning
    ended = reconcile(ctx, rollout("Healthy", version=1))
    assert ended.timeline.find("agreed") and ended.timeline.reason == "users complain"
    with open_lake(ctx.config, ctx.workdir) as lake:
        assert lake.run_records("rollback")[0].payload["cause"] == "person"


def test_a_champion_that_was_rolled_back_is_not_chosen_again_by_itself(ctx):
    reconcile(ctx, rollout("Healthy"))
    assert roll_back(ctx).model.version == 1
    assert ROLLED_BACK in tags(ctx, 2) and ABORTED not in tags(ctx, 2)
    with pytest.raises(DataError, match="was rolled back itself"):
        roll_back(ctx)
    assert roll_back(ctx, to=2).replaced.version == 1
    assert (serving(ctx), current_pin(ctx).version) == (2, 2) and ROLLED_BACK not in tags(ctx, 2)


def test_what_could_not_be_champion_is_not_even_pinned(ctx):
    client, name = open_registry(ctx.config, ctx.workdir), ctx.config.model_name
    client.create_version(name, "file:///m/3", {"ctp.uri": "file:///m/3", "ctp.sha256": "3" * 64}, "card")
    tags = {"ctp.uri": "file:///m/4", "ctp.sha256": "4" * 64, "ctp.gate-phase": "Successful"}
    abort(client, name, client.create_version(name, "file:///m/4", tags, "card"), "slow")
    for version, message in ((3, "gate phase"), (4, r"was aborted \(slow\)"), (9, "not found")):
        with pytest.raises(DataError, match=message):
            roll_back(ctx, to=version)
    assert current_pin(ctx).version == 2


def test_in_pull_request_mode_the_champion_stays_until_the_merge(ctx, git):
    reconcile(ctx, rollout("Healthy"))
    release = ctx.config.release.model_copy(update={"mode": "pull-request"})
    asking = ctx.__class__(ctx.config.model_copy(update={"release": release}), "run-2", ctx.workdir)
    result = roll_back(asking)
    assert (result.branch, result.replaced, serving(ctx)) == (f"release/kind/{ctx.config.model_name}-1", None, 2)
    assert result.timeline.seconds().keys() == {"breach_seen"}
    git(ctx.workdir / "gitops.git", "update-ref", "refs/heads/main", result.branch)
    assert (reconcile(asking, rollout("Healthy", version=1)).action, serving(ctx)) == ("promoted", 1)


def test_abort_and_wait_through_the_api(ctx, api):
    """The Rollout is in the middle of a canary, is told to abort, and is healthy with the champion a little later."""
    states = iter([rollout("Paused", currentPodHash="new", stableRS="old"), rollout("Degraded", abort=True)])
    api.objects[ROLLOUT] = lambda: next(states, rollout("Healthy", version=1))
    api.objects[f"{ROLLOUT}/status"] = rollout("Degraded", abort=True)
    result = roll_back(ctx, abort=True, wait_s=30)
    patches = [asked for asked in api.asked if asked[0] == "PATCH"]
    assert patches == [("PATCH", f"{ROLLOUT}/status", "application/merge-patch+json", {"status": {"abort": True}})]
    assert result.timeline.find("agreed") and result.timeline.find("previous_serving")


def test_a_healthy_rollout_is_not_aborted_and_waiting_ends(ctx, api, monkeypatch):
    monkeypatch.setattr("steps.release.rollback._POLL_S", 0.05)
    api.objects[ROLLOUT] = rollout("Healthy", currentPodHash="new", stableRS="new")
    with pytest.raises(TransientError, match="after 0 s it is Healthy with version 2"):
        roll_back(ctx, abort=True, wait_s=0.1)
    assert not [asked for asked in api.asked if asked[0] == "PATCH"]
    assert current_pin(ctx).version == 1


def test_the_command_prints_the_timeline_beside_the_result(ctx):
    config = ctx.workdir / "config.yaml"
    config.write_text(json.dumps({"model_name": ctx.config.model_name, "registry": {"tracking_uri": ctx.config.registry.tracking_uri}}))
    done = CliRunner().invoke(
        app, ["rollback", "--json", "--reason=bad", "--approved-by=Ada", f"--workdir={ctx.workdir}", f"--config={config}"]
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["model"].endswith("@1")
    assert "pin reverted in Git" in done.stderr
