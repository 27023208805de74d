from __future__ import annotations

import itertools
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steps.contract.files import sha256_tree
from steps.contract.spec import StepContext
from steps.registry import prune_models as prune
from steps.registry.prune_models import Params, Version, protected, run
from steps.store import aliases as alias
from steps.store.models import fetch_model, store_model

OLD = datetime.now(UTC) - timedelta(days=400)
_NUMBERS = itertools.count()


@pytest.fixture
def ctx(config, tmp_path):
    registry = config.registry.model_copy(update={"model_store": (tmp_path / "store").as_uri()})
    return StepContext(config=config.model_copy(update={"registry": registry}), run_id="r", workdir=tmp_path / "work")


@pytest.fixture
def stored(client, ctx, make_version, tmp_path):
    """Register versions whose files are in the store; all are as old as the registry says they are."""

    def make():
        folder = tmp_path / f"trained-{next(_NUMBERS)}"
        folder.mkdir()
        (folder / "config.json").write_text(folder.name)
        ref = store_model(ctx.config.registry.model_store, folder, sha256_tree(folder))
        return make_version(ctp_uri=ref.uri, ctp_sha256=ref.sha256)

    return make


@pytest.fixture
def aged(client, monkeypatch):
    """Every version was made and served long ago; the order of what served stays."""
    real = type(client).versions

    def versions(self, name):
        found = {}
        for number, (_, tags) in real(self, name).items():
            served = tags.get(alias.PROMOTED_AT)
            then = {alias.PROMOTED_AT: (datetime.fromisoformat(served) - timedelta(days=400)).isoformat()} if served else {}
            found[number] = (OLD, tags | then)
        return found

    monkeypatch.setattr(type(client), "versions", versions)


def promote_all(client, name, versions):
    before = None
    for version in versions:
        alias.promote(client, name, version, before)
        before = version


def is_there(client, name, version, tmp_path):
    tags = client.tags(name, version)
    return Path(tags["ctp.uri"].removeprefix("file://")).is_dir()


def test_the_last_three_champions_stay_and_older_ones_go(ctx, client, stored, aged, tmp_path):
    name, versions = ctx.config.model_name, [stored() for _ in range(6)]
    promote_all(client, name, versions[:5])
    alias.set_candidate(client, name, versions[5])
    planned = run(Params(dry_run=True), ctx)
    assert [item.model for item in planned.deleted] == [f"{name}@{version}" for version in versions[:2]]
    assert all(is_there(client, name, version, tmp_path) for version in versions)
    done = run(Params(), ctx)
    assert done.deleted == planned.deleted
    assert [is_there(client, name, version, tmp_path) for version in versions] == [False, False, True, True, True, True]
    assert client.tags(name, versions[0])[prune.DELETED] and run(Params(), ctx).deleted == ()


def test_a_rolled_back_champion_is_a_generation(ctx, client, stored, aged, tmp_path):
    name, versions = ctx.config.model_name, [stored() for _ in range(4)]
    promote_all(client, name, versions)
    alias.promote(client, name, versions[1], versions[3])
    run(Params(), ctx)
    assert [is_there(client, name, version, tmp_path) for version in versions] == [False, True, True, True]


def test_young_models_stay(ctx, client, stored, tmp_path):
    name, versions = ctx.config.model_name, [stored() for _ in range(5)]
    promote_all(client, name, versions)
    assert run(Params(), ctx).deleted == ()


def test_files_that_are_not_ours_are_never_deleted(ctx, client, make_version, stored, aged, tmp_path):
    outside = tmp_path / "team" / "model"
    outside.mkdir(parents=True)
    for uri in (outside.as_uri(), "s3://team/production/" + "a" * 64, f"{ctx.config.registry.model_store}/production/../../team/model"):
        make_version(ctp_uri=uri)
    promote_all(client, ctx.config.model_name, [stored() for _ in range(3)])
    assert run(Params(), ctx).deleted == () and outside.is_dir()


def test_a_version_that_shares_files_with_a_champion_keeps_them(ctx, client, stored, make_version, aged, tmp_path):
    name, champion = ctx.config.model_name, stored()
    tags = client.tags(name, champion)
    make_version(ctp_uri=tags["ctp.uri"], ctp_sha256=tags["ctp.sha256"])
    alias.promote(client, name, champion, None)
    assert run(Params(), ctx).deleted == ()


def test_rejected_candidates_and_copies_go_when_they_are_old(ctx, client, stored, tmp_path):
    name, version = ctx.config.model_name, stored()
    alias.promote(client, name, version, None)
    tags, models = client.tags(name, version), ctx.artifacts / "models"
    fetch_model(tags["ctp.uri"], tags["ctp.sha256"], models / tags["ctp.sha256"])
    for folder in ("0" * 16, "1" * 16, "base-abc", "2" * 64):
        (models / folder).mkdir(parents=True)
    (models / f"{'0' * 16}.json").write_text("{}")
    for folder in models.glob("*"):
        if folder.name != "1" * 16:
            os.utime(folder, (OLD.timestamp(), OLD.timestamp()))
    deleted = run(Params(), ctx).deleted
    assert [Path(item.uri).name for item in deleted] == ["0" * 16, "2" * 64]
    assert sorted(path.name for path in models.glob("*")) == sorted(["1" * 16, "base-abc", tags["ctp.sha256"]])


def test_without_a_registry_there_is_nothing_to_do(ctx, tmp_path):
    registry = ctx.config.registry.model_copy(update={"tracking_uri": f"sqlite:///{tmp_path / 'none.db'}"})
    empty = StepContext(config=ctx.config.model_copy(update={"registry": registry}), run_id="r", workdir=tmp_path)
    assert run(Params(), empty).deleted == () and not (tmp_path / "none.db").exists()


served = st.one_of(st.none(), st.integers(0, 20))


@given(st.lists(served, min_size=1, max_size=12), st.integers(3, 5), st.data())
def test_what_is_protected(times, generations, data):
    """Whatever happened: every alias, and the newest champions, are protected; unknown times count as champions."""
    versions = {}
    for number, time in enumerate(times, 1):
        moment = {} if time is None else {alias.PROMOTED_AT: (OLD + timedelta(days=time)).isoformat()}
        versions[number] = Version(number=number, registered_at=OLD, tags={"ctp.sha256": f"{number:064x}", **moment})
    aliases = {"champion": data.draw(st.sampled_from(sorted(versions)))}
    kept = protected(versions, aliases, generations)
    newest = sorted((n for n in versions if versions[n].served_at), key=lambda n: (versions[n].served_at, n))[-generations:]
    assert kept == set(newest) | {aliases["champion"]}
    old = versions | {99: Version(number=99, registered_at=OLD, tags={alias.PROMOTED_OVER: "none"})}
    assert 99 in protected(old, aliases, generations)
