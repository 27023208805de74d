"""What a step found becomes gauges: of fields that are numbers, with labels that agree wherever a name is used."""

from __future__ import annotations

import re

import pytest

from steps.contract.catalog import ALL_STEPS
from workflows.documents import STARTED
from workflows.templates import kebab

from .rendered import RENDERINGS, templates, workflow_templates


@pytest.mark.parametrize("spec", [spec for spec in ALL_STEPS if spec.metrics], ids=lambda spec: spec.name)
def test_metrics_show_numbers_of_the_result(spec):
    fields = spec.load()[1].model_fields
    for item in spec.metrics:
        assert fields[item.field].annotation in (int, float) and item.field in spec.all_outputs
        assert not item.when or fields[item.when].annotation is bool
        assert re.fullmatch(r"ctp_[a-z_]+", item.name) and item.help


def test_a_name_has_the_same_labels_and_words_everywhere():
    every = [item for spec in ALL_STEPS for item in spec.metrics]
    for name in {item.name for item in every}:
        assert len({(tuple(key for key, _ in item.labels), item.by_workflow, item.help) for item in every if item.name == name}) == 1


@pytest.mark.parametrize("environment", RENDERINGS)
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
