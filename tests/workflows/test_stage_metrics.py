"""What a step found becomes gauges: of fields that are numbers, with labels that agree wherever a name is used."""

from __future__ import annotations

import re

import pytest

from steps.contract.catalog import find_step
from workflows.documents import STARTED
from workflows.stage_metrics import OF_A_STAGE, shown_by
from workflows.templates import OUTPUTS, kebab

from .rendered import ENVIRONMENTS, templates, workflow_templates


@pytest.mark.parametrize("step", OF_A_STAGE)
def test_metrics_show_numbers_of_the_result(step):
    fields = find_step(step).load()[1].model_fields
    for item in OF_A_STAGE[step]:
        assert fields[item.field].annotation in (int, float) and item.field in OUTPUTS[step]
        assert re.fullmatch(r"ctp_[a-z_]+", item.name) and item.help
    assert set(shown_by(step)) <= {item.field for item in OF_A_STAGE[step]}


def test_a_name_has_the_same_labels_and_words_everywhere():
    every = [item for items in OF_A_STAGE.values() for item in items]
    for name in {item.name for item in every}:
        assert len({(tuple(key for key, _ in item.labels), item.help) for item in every if item.name == name}) == 1


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_they_are_rendered(environment):
    gates = [
        item for item in templates(environment, "trace-ingest")["govern-commit"]["metrics"]["prometheus"] if "gate_stopped" in item["name"]
    ]
    assert {item["labels"][0]["value"] for item in gates} == {"pii", "consent", "region", "confidentiality"}
    assert all(item["gauge"]["value"] == f"{{{{outputs.parameters.{kebab('stopped_' + item['labels'][0]['value'])}}}}}" for item in gates)
    assert all(item["when"] == "{{status}} == Succeeded" for item in gates)
    for workflow in workflow_templates(environment).values():
        started = [item for item in workflow["spec"]["metrics"]["prometheus"] if item["name"] == "ctp_run_started_timestamp_seconds"]
        assert [item["gauge"]["value"] for item in started] == [STARTED]
