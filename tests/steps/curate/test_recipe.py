"""The record of what a dataset was curated from."""

from __future__ import annotations

from steps.contract.config import CurateConfig, PipelineConfig
from steps.contract.files import sha256_text
from steps.contract.refs import ArtifactRef, ModelRef, TableRef
from steps.curate.recipe import RECIPE_VERSION, Recipe, find, golden_is_there, record, superseded_by, user_texts
from steps.store.lake import open_lake


def recipe(digest="d" * 64, snapshot=1, **fields):
    traces, generations, labels, datasets = (
        TableRef(table=table, snapshot_id=snapshot) for table in ("traces", "generations", "labels", "datasets")
    )
    values = {"policy_version": "p1", "golden": None, "champion": None, "since": None, "until": None, "model_name": "agent-model"}
    return Recipe(
        digest=digest, traces=traces, generations=generations, labels=labels, table=datasets, curate=CurateConfig(), **(values | fields)
    )


def test_the_newest_record_of_a_dataset_counts(tmp_path):
    with open_lake(PipelineConfig(), tmp_path) as lake:
        assert find(lake, "d" * 64) is None
        record(lake, recipe(), "run-1")
        record(lake, recipe("e" * 64), "run-1")
        record(lake, recipe(snapshot=2), "run-2")
        latest = find(lake, "d" * 64)
    assert latest == recipe(snapshot=2) and latest.version == RECIPE_VERSION


def test_answers_of_older_versions_of_our_own_model_are_superseded(make_trace):
    old, new, unknown = (make_trace(model_version=version) for version in ("3", "4", ""))
    foreign = make_trace(model="other", model_version="3")
    check = superseded_by(ModelRef(name="agent-model", version=4), "agent-model")
    assert [check(trace) for trace in (old, new, unknown, foreign)] == [True, False, False, False]
    assert not superseded_by(None, "agent-model")(old)


def test_texts_of_users_are_taken_turn_by_turn(make_trace):
    messages = (
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "answer"},
        {"role": "user", "content": None},
        {"role": "user", "content": "second"},
    )
    assert user_texts(make_trace(messages=messages)) == ("first", "second")


def test_a_golden_set_that_is_gone_is_seen(tmp_path):
    path = tmp_path / "golden.jsonl"
    golden = ArtifactRef(uri=path.as_uri(), sha256=sha256_text(""))
    assert golden_is_there(recipe()) and not golden_is_there(recipe(golden=golden))
    path.write_text("")
    assert golden_is_there(recipe(golden=golden))
