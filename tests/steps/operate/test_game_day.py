"""The game day against an API whose Rollout follows the pin in Git, as Argo CD and Argo Rollouts make it do."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from steps.contract.errors import DataError, TransientError
from steps.contract.refs import ArtifactRef
from steps.operate.game_day import Game, register_bad
from steps.release.change import current_pin
from steps.store.aliases import ABORTED, model_uri
from steps.store.registry import open_registry

from ..release.served import ANALYSES, ROLLOUT, analysis_run, reconcile, rollout, serving, tags

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def cluster(ctx, api):
    """Version 2 serves at rest; a new pin is a canary that is aborted at the third look, at 0 % at the fifth."""
    reconcile(ctx, rollout("Healthy"))
    looks = itertools.count()
    stamp = lambda: datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")  # noqa: E731
    api.end = "aborted"

    def now():
        pinned = current_pin(ctx).version
        if pinned == 2:
            return rollout("Healthy", canary={"weights": {"canary": {"weight": 0}}})
        look = next(looks)
        canary = {"weights": {"canary": {"weight": 5 if look < 5 else 0}}}
        if look < 3 or api.end == "never":
            return rollout("Progressing", pinned, canary=canary, currentPodHash="new", stableRS="old")
        if api.end == "healthy":
            return rollout("Healthy", pinned, canary=canary)
        api.at = api.at or stamp()
        return rollout("Degraded", pinned, abort=True, abortedAt=api.at, canary=canary, currentPodHash="new")

    def analyses():
        run = analysis_run("Failed")
        run["status"]["metricResults"][0]["measurements"][0]["finishedAt"] = api.at
        return {"items": [run]}

    api.at, api.objects[ROLLOUT], api.objects[ANALYSES] = "", now, analyses
    api.objects[f"{ROLLOUT}/status"] = {}
    return api


def play(ctx, **given):
    artifact = ArtifactRef(uri="file:///m/bad", sha256="b" * 64)
    told = []
    game = Game(ctx, told.append, **{"timeout_s": 60, "reconcile": True, "poll_s": 0.01, **given})
    return game.play(register_bad(ctx, artifact), artifact, "Ada"), told


def test_a_bad_version_comes_back_and_is_timed(ctx, cluster):
    line, told = play(ctx)
    seconds = line.seconds()
    assert [event.name for event in line.events][:2] == ["breach_seen", "aborted"] and line.cause == "analysis"
    assert {"weight_zero", "pin_reverted", "previous_serving", "agreed"} <= seconds.keys() and not line.warning()
    assert (current_pin(ctx).version, serving(ctx)) == (2, 2)
    assert ABORTED in tags(ctx, 3)
    assert any("weight 5 %" in text for text in told)
    # The next game day with the same files: pods of version 3 could come back without any analysis.
    first, again = (register_bad(ctx, ArtifactRef(uri="file:///m/bad", sha256="b" * 64)).version for _ in range(2))
    assert first == again == 4


@pytest.mark.parametrize(("end", "error", "given"), [("healthy", DataError, {}), ("never", TransientError, {"timeout_s": 0.2})])
def test_whatever_goes_wrong_the_champion_is_pinned_again(ctx, cluster, end, error, given):
    cluster.end = end
    with pytest.raises(error, match="not found out|not back"):
        play(ctx, **given)
    assert (current_pin(ctx).version, serving(ctx)) == (2, 2)


def test_it_begins_at_rest_only(ctx, api):
    api.objects[ROLLOUT] = rollout("Paused", version=2)
    with pytest.raises(DataError, match="begins at rest"):
        play(ctx)
    assert current_pin(ctx).version == 2


def test_the_command(ctx, cluster):
    from typer import Typer

    from steps.cli.game_day import game_day

    app = Typer()
    app.command()(game_day)
    config = ctx.workdir / "config.yaml"
    config.write_text(json.dumps({"model_name": ctx.config.model_name, "registry": {"tracking_uri": ctx.config.registry.tracking_uri}}))
    common = [f"--config={config}", f"--workdir={ctx.workdir}", "--approved-by=Ada", "--reconcile"]
    assert "which model is bad" in str(CliRunner().invoke(app, common).exception)
    artifact = model_uri(open_registry(ctx.config, ctx.workdir), current_pin(ctx).ref).model_copy(update={"sha256": "c" * 64})
    done = CliRunner().invoke(app, [*common, f"--artifact={artifact}"])
    assert done.exit_code == 0, done.output
    assert "held: pin reverted in Git and all traffic back within 300 s" in done.stdout
    strict = CliRunner().invoke(app, [*common, "--fault-version=3", "--set=release.rollback_limit_s=0.000001"])
    assert strict.exit_code == 1 and "over the limit" in strict.stdout, strict.output
