from __future__ import annotations

import json

import pytest

from steps.contract.config import PipelineConfig
from steps.contract.errors import DataError
from steps.contract.spec import StepContext
from steps.ingest.ingest import Params, Result, run
from steps.store.lake import open_lake
from steps.store.units import UNIT_STAGE


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
    assert (result.files, result.skipped_files, len(result.units)) == (1, 3, 1)
    assert result.bytes == result.units[0].files[0].bytes == (source / "a.jsonl").stat().st_size
    assert run(Params(sources=str(source)), ctx) == result
    assert Result.model_validate_json(result.model_dump_json()) == result


def test_committed_files_are_skipped_until_they_grow(ctx, source):
    (unit,) = run(Params(sources=str(source)), ctx).units
    with open_lake(ctx.config, ctx.workdir) as lake:
        lake.append_run_record("r1", UNIT_STAGE, {"unit": unit.id, "shard": 0, "shards": 1, "sha256": [unit.files[0].sha256]})
    assert run(Params(sources=str(source)), ctx).units == ()
    with (source / "a.jsonl").open("a") as file:
        file.write("{}\n")
    assert len(run(Params(sources=str(source)), ctx).units) == 1


def test_sources_of_the_configuration_are_read_too(tmp_path, source):
    config = PipelineConfig.model_validate({"ingest": {"sources": [str(source)]}})
    assert run(Params(), StepContext(config, "r1", tmp_path / "work")).files == 1


def test_missing_source_is_a_data_error(ctx):
    with pytest.raises(DataError, match="/does/not/exist"):
        run(Params(sources="/does/not/exist"), ctx)
