"""Pin and champion follow the Rollout, once, whatever the order of events; on a real Git repository and registry."""

from __future__ import annotations

import pytest

from steps.contract.catalog import find_step
from steps.contract.errors import AccessError, DataError, TransientError
from steps.contract.runtime import run_step
from steps.registry.lineage import describe
from steps.release import reconcile as reconcile_step
from steps.release.change import current, current_pin
from steps.release.reconcile import decide
from steps.release.rollout_state import BREACH_SEEN_AT, WEIGHT_ZERO_AT, RolloutState
from steps.store.aliases import ABORTED, CANDIDATE, abort, by_alias, promote
from steps.store.lake import open_lake
from steps.store.registry import open_registry

from .served import ROLLOUT, aborted, pin, reconcile, rollout, serving, tags


def test_healthy_and_pinned_is_promoted_once(ctx):
    first, again = (reconcile(ctx, rollout("Healthy")) for _ in range(2))
    assert (first.action, again.action, serving(ctx)) == ("promoted", "none", 2)
    assert (again.champion.version, again.pinned.version) == (2, 2)


@pytest.mark.parametrize(
    "document", [rollout("Degraded", message="analysis failed"), rollout("Paused", abort=True)], ids=["degraded", "aborted"]
)
def test_a_failed_canary_is_reverted_and_aborted_once(ctx, document):
    first, again = (reconcile(ctx, document) for _ in range(2))
    assert (first.action, first.pinned.version, first.champion.version) == ("reverted", 1, 1)
    assert first.commit
    assert (again.action, again.commit, again.pinned.version) == ("none", "", 1)
    tags = open_registry(ctx.config, ctx.workdir).tags(ctx.config.model_name, 2)
    assert ABORTED in tags
    assert reconcile(ctx, rollout("Healthy", version=1)).action == "none"


def test_killed_between_revert_and_abort_is_finished_by_the_next_run(ctx, monkeypatch):
    def killed(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(reconcile_step, "abort", killed)
    with pytest.raises(KeyboardInterrupt):
        reconcile(ctx, rollout("Degraded"))
    monkeypatch.undo()
    assert reconcile(ctx, rollout("Degraded")).action == "none"
    assert ABORTED in open_registry(ctx.config, ctx.workdir).tags(ctx.config.model_name, 2)


@pytest.mark.parametrize(
    "document",
    [
        rollout("Progressing"),
        rollout("Paused"),
        rollout("Healthy", version=1),
        rollout("Healthy", version=None),
        rollout("Degraded", version=1, message="the champion's pods are lost"),
        rollout("Degraded", version=None),
        rollout("Healthy", observedGeneration="3"),
        rollout("Degraded", observedGeneration="3"),
        rollout("Exploded"),
        {**rollout("Healthy"), "status": {}},
    ],
)
def test_nothing_is_done_before_it_is_certain(ctx, document):
    result = reconcile(ctx, document)
    assert (result.action, result.champion.version, result.pinned.version) == ("none", 1, 2)
    assert result.reason


def test_an_aborted_version_is_never_promoted(ctx):
    abort(open_registry(ctx.config, ctx.workdir), ctx.config.model_name, 2, "bad")
    with pytest.raises(DataError, match="aborted"):
        reconcile(ctx, rollout("Healthy"))
    assert serving(ctx) == 1


@pytest.mark.parametrize("document", [{"kind": "Pod", "spec": {}}, {"a": 1}, rollout("Healthy", version="two")])
def test_what_is_no_rollout_is_refused(ctx, document):
    with pytest.raises(DataError):
        reconcile(ctx, document)


def test_a_failed_version_that_is_not_pinned_is_only_aborted():
    assert decide(RolloutState("Degraded", 2, "x"), 3, 1)[0] == "abort"


def test_rollback_puts_the_previous_back_and_back_again(ctx):
    reconcile(ctx, rollout("Healthy"))
    back = run_step(find_step("rollback"), {"approved_by": "Ada"}, ctx)
    assert (back.model.version, back.replaced.version, back.changed, serving(ctx)) == (1, 2, True, 1)
    again = run_step(find_step("rollback"), {"to": "1", "approved_by": "Ada"}, ctx)
    assert (again.changed, again.replaced, serving(ctx)) == (False, None, 1)
    with pytest.raises(DataError):
        run_step(find_step("rollback"), {"to": "9", "approved_by": "Ada"}, ctx)


def test_lineage_of_the_champion_and_of_a_version(ctx):
    name = ctx.config.model_name
    told = describe(ctx.config, ctx.workdir, name)
    assert (told["model"], told["aliases"], told["made_of"]["ctp.uri"]) == (f"{name}@1", ["champion"], "file:///m/1")
    assert describe(ctx.config, ctx.workdir, f"{name}@2")["aliases"] == ["candidate"]
    for unknown in (f"{name}@9", f"{name}@x", "nobody"):
        with pytest.raises(DataError):
            describe(ctx.config, ctx.workdir, unknown)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_rollout_is_asked_from_the_api(ctx, api):
    api.objects[ROLLOUT] = rollout("Healthy")
    result = reconcile(ctx)
    assert result.action == "promoted"
    assert [asked[:2] for asked in api.asked] == [("GET", ROLLOUT)]
    for code, error in ((403, AccessError), (500, TransientError)):
        api.code = code
        with pytest.raises(error):
            reconcile(ctx)
    api.code, api.objects = 0, {}
    assert (reconcile(ctx).rollout_phase, reconcile(ctx).action) == ("Absent", "none")


def test_a_rollout_may_be_anywhere(ctx, api):
    api.objects[ROLLOUT.replace("model-serving", "training-pipeline").replace("agent-model", "other")] = rollout("Healthy")
    config = ctx.config.model_copy(
        update={"release": ctx.config.release.model_copy(update={"rollout_namespace": "training-pipeline", "rollout": "other"})}
    )
    assert reconcile(ctx.__class__(config, "run-1", ctx.workdir)).action == "promoted"


# ---- with a document and no cluster --------------------------------------------------------------


@pytest.fixture
def no_cluster(monkeypatch, tmp_path):
    """Nothing answers where a cluster would."""
    (tmp_path / "kubeconfig").write_text("{}")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))


@pytest.mark.usefixtures("no_cluster")
def test_a_document_that_carries_its_moments_needs_no_cluster(ctx):
    """As the laptop's gateway writes it; a run killed before it kept the result hands the same document in again."""
    ended = aborted()
    ended["metadata"]["annotations"] = {BREACH_SEEN_AT: "2020-01-02T10:00:28.500+00:00", WEIGHT_ZERO_AT: "2020-01-02T10:00:31.000+00:00"}
    first, again = (reconcile(ctx, ended) for _ in range(2))
    assert (first.action, first.champion.version, first.pinned.version) == ("reverted", 1, 1) and ABORTED in tags(ctx, 2)
    assert (again.action, again.timeline) == ("none", first.timeline)
    assert (first.timeline.cause, first.timeline.find("breach_seen").at) == ("analysis", "2020-01-02T10:00:28.500+00:00")
    seconds = first.timeline.seconds()
    assert (seconds["aborted"], seconds["weight_zero"], seconds["previous_serving"]) == (1.5, 2.5, 2.5)
    closed, quiet = (reconcile(ctx, rollout("Healthy", version=1)) for _ in range(2))
    assert closed.timeline.find("agreed") and quiet.timeline is None
    with open_lake(ctx.config, ctx.workdir) as lake:
        (record,) = lake.run_records("rollback")
    assert record.payload["seconds"] == closed.timeline.seconds()


@pytest.mark.usefixtures("no_cluster")
def test_a_promoted_document_needs_no_cluster(ctx):
    assert (reconcile(ctx, rollout("Healthy")).action, serving(ctx)) == ("promoted", 2)


# ---- what people do beside it ---------------------------------------------------------------


def test_a_retry_makes_an_aborted_version_a_candidate_again(ctx):
    """In pull-request mode, or before the revert: the pin still names it when a person presses retry."""
    abort(open_registry(ctx.config, ctx.workdir), ctx.config.model_name, 2, "worse")
    first, again = (reconcile(ctx, rollout("Progressing")) for _ in range(2))
    assert (first.action, again.action) == ("retried", "none")
    client = open_registry(ctx.config, ctx.workdir)
    assert ABORTED not in tags(ctx, 2) and by_alias(client, ctx.config.model_name, CANDIDATE).version == 2
    assert reconcile(ctx, rollout("Healthy")).action == "promoted"


def test_a_retry_of_what_is_not_pinned_any_more_changes_nothing(ctx):
    reconcile(ctx, aborted())
    assert reconcile(ctx, rollout("Progressing")).action == "none"
    assert ABORTED in tags(ctx, 2) and current_pin(ctx).version == 1


def test_a_pin_that_a_person_reverted_is_left_alone(ctx):
    pin(ctx, 1)
    head = pin(ctx, 1).commit
    first, again = (reconcile(ctx, aborted()) for _ in range(2))
    assert (first.action, first.commit, again.action) == ("none", "", "none")
    assert ABORTED in tags(ctx, 2) and pin(ctx, 1).commit == head


def test_an_invalid_specification_is_not_the_models_fault(ctx):
    conditions = [{"type": "InvalidSpec", "status": "True", "message": "The Rollout is invalid: spec.strategy"}]
    result = reconcile(ctx, rollout("Degraded", conditions=conditions))
    assert (result.action, result.pinned.version) == ("none", 2) and "spec.strategy" in result.reason


def test_a_healthy_pin_that_a_person_committed_alone_gets_its_manifest(ctx, git):
    bare = ctx.workdir / "gitops.git"
    git(ctx.workdir, "clone", "-q", str(bare), "person")
    file = ctx.workdir / "person" / "charts/environments/kind/agent.yaml"
    file.write_text(file.read_text().replace("model_version: 2", "model_version: 1"))
    git(ctx.workdir / "person", "commit", "-q", "-am", "oops")
    git(ctx.workdir / "person", "push", "-q", "origin", "main")
    assert reconcile(ctx, rollout("Progressing")).action == "none"
    first, again = (reconcile(ctx, rollout("Healthy")) for _ in range(2))
    assert (first.action, serving(ctx), again.action) == ("promoted", 2, "none") and first.commit
    assert current(ctx)[1].model_version == 2
    assert "follow" in git(bare, "log", "-1", "--format=%s", "main")


def test_an_alias_moved_under_us_is_said(ctx, monkeypatch):
    def overtaken(client, name, version, before):
        other = client.create_version(name, "file:///m/3", {"ctp.uri": "file:///m/3", "ctp.gate-phase": "Successful"}, "card")
        promote(client, name, other, 1)
        promote(client, name, version, before)

    monkeypatch.setattr(reconcile_step, "promote", overtaken)
    with pytest.raises(DataError, match="champion expected version 1, found version 3"):
        reconcile(ctx, rollout("Healthy"))
    assert serving(ctx) == 3


def test_an_unregistered_version_that_a_person_pinned_goes_back_to_the_champion(ctx, git):
    bare = ctx.workdir / "gitops.git"
    git(ctx.workdir, "clone", "-q", str(bare), "person")
    for name, old, new in (("model.yaml", "version: 2", "version: 77"), ("agent.yaml", "model_version: 2", "model_version: 77")):
        file = ctx.workdir / "person" / "charts/environments/kind" / name
        file.write_text(file.read_text().replace(old, new))
    git(ctx.workdir / "person", "commit", "-q", "-am", "by hand")
    git(ctx.workdir / "person", "push", "-q", "origin", "main")
    assert (reconcile(ctx, aborted(77)).action, current_pin(ctx).version) == ("reverted", 1)


# ---- pull-request mode ------------------------------------------------------------------------


def test_in_pull_request_mode_a_revert_is_proposed_once_and_merging_it_ends_it(ctx, git):
    release = ctx.config.release.model_copy(update={"mode": "pull-request"})
    asking = ctx.__class__(ctx.config.model_copy(update={"release": release}), "run-2", ctx.workdir)
    first, again = (reconcile(asking, aborted()) for _ in range(2))
    branch = f"release/kind/{ctx.config.model_name}-1"
    assert (first.action, first.branch, first.pinned.version) == ("proposed", branch, 2)
    assert (again.action, again.commit) == ("none", "") and branch in again.reason
    assert ABORTED in tags(ctx, 2) and not first.timeline.find("pin_reverted")
    bare = ctx.workdir / "gitops.git"
    git(bare, "update-ref", "refs/heads/main", branch)
    merged = reconcile(asking, rollout("Healthy", version=1))
    assert merged.action == "none" and merged.timeline.find("pin_reverted") and merged.timeline.find("agreed")
