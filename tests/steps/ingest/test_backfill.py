"""Backfill plans the files whose path names a day of the range, and nothing twice."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from steps.contract.catalog import find_step
from steps.contract.config import PipelineConfig
from steps.contract.errors import DataError, UsageError
from steps.contract.runtime import run_step
from steps.contract.spec import StepContext
from steps.ingest.path_dates import day_of
from steps.store.unit_plan import read_plan

from ...fan_out import govern_plan


@pytest.mark.parametrize(
    ("uri", "day"),
    [
        ("s3://b/traces/year=2026/month=05/day=01/hour=7/minute=3/traces_1.json", date(2026, 5, 1)),
        ("s3://b/traces/2026/05/01/traces_1.json", date(2026, 5, 1)),
        ("file:///a/2026-04-30/export-2026-05-01.jsonl", date(2026, 5, 1)),
        ("s3://b/p/observations_v2/2026-05-01T12-00-00.parquet", date(2026, 5, 1)),
        ("s3://b/2026-13-45/a.jsonl", None),
        ("file:///a/spans-20260501.jsonl", None),
        ("file:///a/12026-05-011.jsonl", None),
    ],
)
def test_day_of(uri, day):
    assert day_of(uri) == day


@pytest.fixture
def raw(tmp_path):
    for name in ("2026-04-30", "2026-05-01", "2026-05-02", "2026-05-03", "2026-05-04", "undated"):
        path = tmp_path / "raw" / name / "a.jsonl"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"resourceSpans": [], "n": name}) + "\n")
    return tmp_path / "raw"


def backfill(tmp_path, raw, **params):
    given = {"since": "2026-05-01", "until": "2026-05-02", "sources": str(raw), **params}
    return run_step(find_step("backfill"), given, StepContext(PipelineConfig(), "r1", tmp_path / "work"))


def days(result):
    return [Path(item.uri).parent.name for unit in result.units for item in unit.objects]


def test_the_range_and_one_day_after_are_planned(tmp_path, raw):
    result = backfill(tmp_path, raw)
    assert days(result) == ["2026-05-01", "2026-05-02", "2026-05-03"]
    assert (result.files, result.skipped_files) == (3, 3)
    assert read_plan(result.plan) == result.units
    assert result.unit_ids == tuple(unit.id for unit in result.units)


def test_undated_files_are_read_when_asked(tmp_path, raw):
    assert days(backfill(tmp_path, raw, undated="read"))[-1] == "undated"


def test_what_is_ingested_is_not_planned_again(tmp_path, raw):
    first = backfill(tmp_path, raw)
    ctx = StepContext(PipelineConfig(), "r1", tmp_path / "work")
    govern_plan(first, ctx)
    assert backfill(tmp_path, raw, since="2026-04-30").files == 1


def test_a_changed_plan_is_refused(tmp_path, raw):
    plan = backfill(tmp_path, raw).plan
    path = Path(plan.local_path())
    path.write_text(path.read_text() + " ")
    with pytest.raises(DataError, match="not the plan"):
        read_plan(plan)
    path.unlink()
    with pytest.raises(DataError, match="is gone"):
        read_plan(plan)


@pytest.mark.parametrize("wrong", [{"since": "2026-05-03"}, {"since": "x"}, {"undated": "maybe"}])
def test_wrong_ranges_are_refused(tmp_path, raw, wrong):
    with pytest.raises(UsageError):
        backfill(tmp_path, raw, **wrong)
