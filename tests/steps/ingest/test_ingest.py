from __future__ import annotations

import json
import os
import time

import pytest

from steps.contract.config import PipelineConfig
from steps.contract.errors import DataError
from steps.contract.spec import StepContext
from steps.ingest.ingest import Params, Result, run

from ...fan_out import govern_plan


@pytest.fixture
def ctx(tmp_path):
    return StepContext(PipelineConfig(), "r1", tmp_path / "work")


@pytest.fixture
def source(tmp_path, otlp_document):
    folder = tmp_path / "raw"
    folder.mkdir()
    (folder / "a.jsonl").write_text(json.dumps(otlp_document({"spanId": "01"})) + "\n")
    (folder / "copy.jsonl").write_text(json.dumps(otlp_document({"spanId": "01"})) + "\n")
    (folder / "empty.jsonl").write_text("")
    (folder / "metrics.jsonl").write_text('{"resourceMetrics":[]}\n')
    return folder


def test_new_files_are_planned_once(ctx, source):
    result = run(Params(sources=str(source)), ctx)
    assert (result.files, result.skipped_files, len(result.units)) == (3, 1, 1)
    assert result.bytes == sum(item.bytes for item in result.units[0].objects)
    assert run(Params(sources=str(source)), ctx).units == result.units
    assert Result.model_validate_json(result.model_dump_json()) == result


def test_committed_files_are_skipped_until_they_grow(ctx, source):
    govern_plan(run(Params(sources=str(source)), ctx), ctx)
    assert run(Params(sources=str(source)), ctx).units == ()
    with (source / "a.jsonl").open("a") as file:
        file.write("{}\n")
    assert len(run(Params(sources=str(source)), ctx).units) == 1


def test_sources_of_the_configuration_are_read_too(tmp_path, source):
    config = PipelineConfig.model_validate({"ingest": {"sources": [str(source)]}})
    assert run(Params(), StepContext(config, "r1", tmp_path / "work")).files == 3


def test_missing_source_is_a_data_error(ctx):
    with pytest.raises(DataError, match="/does/not/exist"):
        run(Params(sources="/does/not/exist"), ctx)


def test_a_listing_alone_tells_what_is_new(ctx, source):
    govern_plan(run(Params(sources=str(source)), ctx), ctx)
    (source / "a.jsonl").chmod(0)
    assert run(Params(sources=str(source)), ctx).files == 0


def test_young_objects_wait(tmp_path, source):
    config = PipelineConfig.model_validate({"ingest": {"closed_after_minutes": 30}})
    ctx = StepContext(config, "r1", tmp_path / "work")
    old = time.time() - 3600
    os.utime(source / "a.jsonl", (old, old))
    (unit,) = run(Params(sources=str(source)), ctx).units
    assert [item.uri.rpartition("/")[2] for item in unit.objects] == ["a.jsonl"]
