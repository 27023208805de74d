"""When workflows start by themselves."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from steps.contract.workflows import WORKFLOWS
from workflows.documents import cron_workflow, every_weeks
from workflows.environment import Schedule, Schedules
from workflows.generate.render import documents

from .rendered import RENDERINGS, cron_workflows, environment_of, parameters, workflow_templates

BY_KIND = (("WorkflowTemplate", workflow_templates), ("CronWorkflow", cron_workflows))
# Field of `Schedules` -> the workflow that it starts.
SCHEDULED = {name: name.replace("_", "-") for name, field in Schedules.model_fields.items() if field.annotation is Schedule}


def starts(when: str | None, moment: datetime) -> bool:
    """Argo's condition at a moment: integer arithmetic of expr-lang, which agrees with Python's for numbers from 0."""
    if when is None:
        return True
    match = re.fullmatch(r"\{\{= (.*) \}\}", when)
    assert match, when
    text = match[1].replace("now().Unix()", str(int(moment.timestamp()))).replace("&&", "and")
    assert re.fullmatch(r"[\d\s%<>=and]*", text), text
    return bool(eval(text, {"__builtins__": {}}))


def mondays(count: int) -> list[datetime]:
    first = datetime(2026, 1, 5, 5, tzinfo=UTC)
    return [first + timedelta(weeks=week) for week in range(count)]


@pytest.mark.parametrize("environment", RENDERINGS)
def test_training_runs_every_second_week_of_a_year(environment):
    when = cron_workflows(environment)["continuous-training"]["spec"]["when"]
    ran = [starts(when, moment) for moment in mondays(106)]
    assert all(one != other for one, other in zip(ran, ran[1:], strict=False)) and sum(ran) == 53
    # Late by up to the starting deadline is still the same week.
    assert ran == [starts(when, moment + timedelta(hours=1)) for moment in mondays(106)]


def test_known_days():
    when = every_weeks(Schedule(cron="0 3 * * 1", every_weeks=2))
    assert [day for day in (16, 23, 30) if starts(when, datetime(2026, 11, day, 3, tzinfo=UTC))] == [23]


@pytest.mark.parametrize("every", [2, 3, 4, 13])
def test_every_week_belongs_to_one_turn(every):
    turns = [every_weeks(Schedule(cron="0 3 * * 1", every_weeks=every, week=week)) for week in range(every)]
    for moment in mondays(60):
        assert sum(starts(turn, moment) for turn in turns) == 1
    assert every_weeks(Schedule(cron="0 3 * * 1")) is None


@pytest.mark.parametrize(
    "bad", [{"cron": "0 3 * *"}, {"cron": "0 3 * * *", "every_weeks": 2}, {"cron": "0 3 * * 1", "every_weeks": 2, "week": 2}]
)
def test_a_schedule_that_cannot_be_meant_is_refused(bad):
    with pytest.raises(ValidationError):
        Schedule(**bad)


def test_every_cadence_is_configuration():
    env = environment_of("eks")
    for field, name in SCHEDULED.items():
        schedules = env.workflows.schedules.model_copy(
            update={field: Schedule(cron="7 7 * * 2", every_weeks=3), "timezone": "Europe/Berlin"}
        )
        changed = replace(env, workflows=env.workflows.model_copy(update={"schedules": schedules}))
        spec = cron_workflow(changed, name, getattr(schedules, field)).to_dict()["spec"]
        assert (spec["schedules"], spec["timezone"]) == (["7 7 * * 2"], "Europe/Berlin") and "% 1814400" in spec["when"]
    never = env.workflows.schedules.model_copy(update={field: Schedule() for field in SCHEDULED})
    files = documents(replace(env, workflows=env.workflows.model_copy(update={"schedules": never})))
    assert not [name for name in files if name.startswith("cronworkflow")] and len(files) == len(WORKFLOWS), "no cron, never"


@pytest.mark.parametrize("environment", RENDERINGS)
def test_cron_workflows(environment):
    schedules = environment_of(environment).workflows.schedules
    for name, document in cron_workflows(environment).items():
        spec = document["spec"]
        field = name.replace("-", "_")
        assert spec["schedules"] == [getattr(schedules, field).cron] and "schedule" not in spec
        assert spec["concurrencyPolicy"] == "Forbid" and spec["timezone"] and spec["startingDeadlineSeconds"] > 0
        assert spec["workflowSpec"] == {"workflowTemplateRef": {"name": name}}
        started = workflow_templates(environment)[name]["spec"]
        assert all("value" in item for item in parameters(started, "arguments").values()), f"{name}: nobody is there to give a value"
    assert (
        {"trace-ingest", "reward-label", "continuous-training", "model-evaluation"}
        <= cron_workflows(environment).keys()
        == set(SCHEDULED.values())
    )
    assert all(document["spec"].get("suspend", False) == (environment == "kind") for document in cron_workflows(environment).values())


@pytest.mark.parametrize("rendering", RENDERINGS)
def test_a_schedule_is_applied_after_what_it_starts(rendering):
    """A CronWorkflow without its WorkflowTemplate is refused, and looked at again 20 minutes later."""
    wave = "argocd.argoproj.io/sync-wave"
    waves = {
        kind: {int(item["metadata"].get("annotations", {}).get(wave, "0")) for item in found(rendering).values()} for kind, found in BY_KIND
    }
    assert max(waves["WorkflowTemplate"]) < min(waves["CronWorkflow"])


def test_every_schedule_starts_a_workflow_that_there_is():
    assert set(SCHEDULED.values()) <= {workflow.name for workflow in WORKFLOWS}
