from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from steps.contract.errors import DataError
from steps.laptop.report.record import MetricRecord, PairExample, RunReport, read_report

from .factories import make_aborted, make_fields, make_pair, make_rejected, make_report

DESIGN = {
    "ingest": {"read", "written", "quarantined", "by_gate", "snapshot_id"},
    "label": {"labelled", "llm_calls", "cache_hits"},
    "dataset": {"pairs", "digest", "snapshot_id"},
    "train": {"steps", "seconds"},
    "gate": {"phase", "metrics"},
    "canary": {"steps", "user_errors", "abort_seconds"},
    "registry": {"champion", "candidate"},
}


@pytest.mark.parametrize("make", [make_report, make_rejected, make_aborted])
def test_round_trip(make):
    record = make()
    assert RunReport.model_validate_json(record.model_dump_json()) == record


def test_dump_has_every_field_of_the_design():
    document = make_report().model_dump(mode="json")
    assert {"run_id", "seed", "method", "outcome", "seconds", *DESIGN} <= set(document)
    for block, fields in DESIGN.items():
        assert fields <= set(document[block]), block
    assert set(document["ingest"]["by_gate"]) == {"pii", "consent", "region", "confidentiality"}
    assert {"champion", "candidate", "delta", "ci95", "n"} <= set(document["gate"]["metrics"]["faithfulness"])
    assert {"weight", "observed_share", "requests", "verdict"} <= set(document["canary"]["steps"][0])


def test_smallest_record():
    record = RunReport(run_id="r", seed=0, method="dpo", outcome="rejected")
    assert record.gate is None
    assert record.wall_seconds() is None


@pytest.mark.parametrize("block", ["", "ingest", "dataset", "gate", "canary"])
def test_unknown_keys_are_refused(block):
    fields = make_fields()
    target = fields[block] if block else fields
    target["surprise"] = 1
    with pytest.raises(ValidationError, match="surprise"):
        RunReport.model_validate(fields)


def test_what_is_not_a_number_is_absent():
    metric = MetricRecord(champion=float("nan"), candidate=float("inf"), delta=None, ci95=(float("nan"), 0.5), n=3)
    assert (metric.champion, metric.candidate, metric.ci95) == (None, None, (None, 0.5))
    assert "NaN" not in metric.model_dump_json()


def test_text_that_utf8_cannot_hold_is_replaced():
    pair = PairExample.model_validate(make_pair(question="a\ud800b\x00c\nd"))
    assert pair.question == "a\ufffdb\ufffdc\nd"


def test_curves_need_their_step():
    with pytest.raises(ValidationError, match="optimizer step"):
        make_report(train={"steps": 1, "seconds": 1.0, "curves": [{"loss": 1.0}]})


def test_wall_time_is_start_to_finish_else_the_sum():
    assert make_report().wall_seconds() == pytest.approx(152.6)
    assert make_report(started_at=None, seconds={"a": 1.5, "b": 2.0}).wall_seconds() == 3.5


def test_read_report(tmp_path):
    path = tmp_path / "report.json"
    path.write_text(make_report().model_dump_json())
    assert read_report(path) == make_report()
    path.write_text(json.dumps({"run_id": "r"}))
    with pytest.raises(DataError, match="seed"):
        read_report(path)
    with pytest.raises(DataError, match="no readable report"):
        read_report(tmp_path / "absent.json")
