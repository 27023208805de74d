"""Every container's argv parses with the real command line and the real step's parameters."""

from __future__ import annotations

import re

import pytest
import typer

from steps.cli.main import app
from steps.cli.step import split_params
from steps.contract.catalog import find_step
from steps.contract.runtime import validate_params

from .rendered import each_pod, parameters

DIGEST = "a" * 64
ARTIFACT = f"file:///data/ctp/artifacts/x#sha256:{DIGEST}"
# A value that Argo would put in, by parameter.
SAMPLES = {
    "approved-at": "2026-05-01T00:00:00+00:00",
    "approved-by": "somebody",
    "approved-digest": DIGEST,
    "approver": "somebody",
    "base-model": "org/model",
    "by": "somebody",
    "champion": "agent-model@1",
    "champion-url": "",
    "candidate-url": "",
    "days": "30",
    "decision": "yes",
    "digest": DIGEST,
    "duration-s": "12.345678",
    "expected-current": "agent-model@1",
    "failures": '"[{\\"displayName\\":\\"x\\"}]"',
    "gate-phase": "Successful",
    "golden": ARTIFACT,
    "key": "0123456789abcdef",
    "labels": "ctp.labels@7",
    "max-cost-usd": "0",
    "method": "dpo",
    "model": ARTIFACT,
    "namespace": "training-pipeline",
    "pairs": "64",
    "policy": '{"label": {"weights": {"judge": 0.6}}}',
    "policy-version": "p1",
    "quarter": "2026-Q2",
    "reason": 'because "of" == this',
    "requested-by": "somebody",
    "sample": "500",
    "shard": "0",
    "shards": f'["{ARTIFACT}","{ARTIFACT}"]',
    "shown": '{"curate_digest": "x", "metrics": {"faithfulness":{"ci95":[0.01,0.09]}}}',
    "since": "2026-05-01",
    "sources": "s3://b/x,/data/raw",
    "stage": "approve-train",
    "status": "Succeeded",
    "today": "",
    "trainer": "trl",
    "traces": "ctp.traces@42",
    "undated": "skip",
    "unit": "0123456789abcdef",
    "until": "2026-05-14",
    "user-hash": DIGEST,
    "window-days": "14",
    "workflow": "continuous-training-x2x4x",
}
BY_STEP = {
    ("approve", "model"): "agent-model@2",
    ("release", "model"): "agent-model@2",
    ("gate", "champion"): ARTIFACT,
    ("label-shard", "shards"): "4",
}
# What may be empty at run time: nothing was found, or nobody gave it.
MAY_BE_EMPTY = {
    ("approve", "model"),
    ("check-params", "base-model"),
    ("check-params", "sources"),
    ("resolve", "base-model"),
    ("ingest", "sources"),
}
MAY_BE_EMPTY |= {("backfill", "sources"), ("maintain", "today"), ("gate", "champion-url"), ("gate", "candidate-url")}
MAY_BE_EMPTY |= {(step, name) for step in ("curate", "label-plan", "label-shard", "label-commit") for name in ("since", "until")}
MAY_BE_EMPTY |= {("approve", "reason"), ("reject", "by"), ("record-outcome", "failures")}
MAY_BE_EMPTY |= {("record-outcome", "namespace"), ("cost-review", "quarter")}


COMMAND = typer.main.get_command(app).get_command(None, "step")


def parsed(template, empty=frozenset()):
    """The step's name, the options of `ctp step`, and its parameters, after Argo has put the inputs in."""
    container = template["container"]
    assert container["command"] == ["ctp"] and container["args"][0] == "step"
    step = container["args"][1]

    def value(match):
        if match[1].startswith("workflow."):
            return "uid"
        name = match[1].removeprefix("inputs.parameters.")
        return "" if (step, name) in empty else BY_STEP.get((step, name)) or SAMPLES.get(name, ARTIFACT)

    arguments = [re.sub(r"\{\{([^{}]+)\}\}", value, text) for text in container["args"]]
    with COMMAND.make_context("step", arguments[1:]) as context:
        return step, context.params, split_params(context.args)


@each_pod
def test_argv_is_what_the_step_takes(environment, workflow, template):
    step, options, given = parsed(template)
    assert step == options["name"] == template["name"]
    assert str(options["config"]) == "/etc/ctp/config.yaml" and str(options["workdir"]) == "/data/ctp" and options["run_id"] == "uid"
    spec = find_step(step)
    validate_params(spec, given)
    for empty in (pair for pair in MAY_BE_EMPTY if pair[0] == step and pair[1].replace("-", "_") in given):
        validate_params(spec, parsed(template, {empty})[2])


@each_pod
def test_outputs_are_fields_of_the_result_where_the_step_writes_them(environment, workflow, template):
    step, options, _ = parsed(template)
    fields = find_step(step).load()[1].model_fields
    for name, item in parameters(template, "outputs").items():
        field = name.replace("-", "_")
        assert field in fields and item["valueFrom"]["path"] == f"{options['outputs_dir']}/{field}"
        assert item["valueFrom"].get("default") == ("0" if find_step(step).rows == field else None), "a default would hide a missing output"
    for item in template["outputs"].get("artifacts", []) if "outputs" in template else []:
        assert item["path"] == str(options["result_file"])


def test_a_wrong_value_is_refused_by_the_first_task():
    from steps.contract.errors import UsageError

    spec = find_step("check-params")
    for wrong in ({"method": "ppo"}, {"trainer": "megatron"}, {"window_days": "-1"}, {"max_cost_usd": "cheap"}, {"window_days": "1.5"}):
        with pytest.raises(UsageError):
            validate_params(spec, wrong)
