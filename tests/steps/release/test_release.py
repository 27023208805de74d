"""A number that was taken back stays out of the pin: Rollouts would bring its pods back without analysis."""

from __future__ import annotations

import pytest

from steps.contract.errors import DataError
from steps.contract.refs import ModelRef
from steps.release.change import current_pin
from steps.release.release import check_releasable
from steps.store.aliases import ABORTED, ROLLED_BACK, abort, promote, taken_back
from steps.store.registry import open_registry

from .served import aborted, pin, reconcile, rollout, serving, tags


@pytest.fixture
def newer(ctx):
    """Version 2 was aborted, and version 3 became champion since: the pods of 2 are older than the stable ones."""
    reconcile(ctx, aborted())
    client, name = open_registry(ctx.config, ctx.workdir), ctx.config.model_name
    given = {"ctp.uri": "file:///m/3", "ctp.sha256": f"{3:064x}", "ctp.gate-phase": "Successful"}
    assert client.create_version(name, given["ctp.uri"], given, "card") == 3
    pin(ctx, 3)
    assert (reconcile(ctx, rollout("Healthy", version=3)).action, serving(ctx)) == ("promoted", 3)
    return ctx


def test_an_aborted_version_is_not_released_again(newer):
    with pytest.raises(DataError, match=r"@2 was aborted \(.*without any analysis: register the model again"):
        pin(newer, 2)
    assert current_pin(newer).version == 3


def test_a_champion_that_was_rolled_back_returns_by_rollback_alone(ctx):
    client, name = open_registry(ctx.config, ctx.workdir), ctx.config.model_name
    client.set_tag(name, 2, ROLLED_BACK, "users complain")
    with pytest.raises(DataError, match=r"@2 was rolled back \(users complain\)"):
        pin(ctx, 2)
    promote(client, name, 2, 1)
    assert not pin(ctx, 2).changed, "what serves may be pinned whatever was said of it"


def test_a_repeated_release_after_the_abort_does_not_undo_the_revert(ctx):
    """The release step's pod was lost after its push, the canary was aborted meanwhile, and the step is tried again."""
    reconcile(ctx, aborted())
    with pytest.raises(DataError, match="was aborted"):
        pin(ctx, 2, expected_current=f"{ctx.config.model_name}@1")
    assert current_pin(ctx).version == 1


def test_a_persons_pin_of_an_aborted_older_version_is_no_retry(newer, git):
    """Rollouts skips its analysis, so reconcile neither forgives the abort nor promotes it: it says so until a person acts."""
    bare = newer.workdir / "gitops.git"
    git(newer.workdir, "clone", "-q", str(bare), "person")
    for name, old, new in (("model.yaml", "version: 3", "version: 2"), ("agent.yaml", "model_version: 3", "model_version: 2")):
        file = newer.workdir / "person" / "charts/environments/kind" / name
        file.write_text(file.read_text().replace(old, new))
    git(newer.workdir / "person", "commit", "-q", "-am", "back to 2")
    git(newer.workdir / "person", "push", "-q", "origin", "main")
    during = reconcile(newer, rollout("Progressing"))
    assert during.action == "none" and "this is no retry" in during.reason and ABORTED in tags(newer, 2)
    with pytest.raises(DataError, match="was aborted"):
        reconcile(newer, rollout("Healthy"))
    assert serving(newer) == 3


def test_what_the_registry_never_saw_has_no_history(ctx):
    client, name = open_registry(ctx.config, ctx.workdir), ctx.config.model_name
    check_releasable(ModelRef(name=name, version=77), ctx)
    assert taken_back(client.tags(name, 1)) == ""
    abort(client, name, 2, "worse")
    assert taken_back(client.tags(name, 2)) == "was aborted (worse)"
