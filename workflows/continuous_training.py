"""`continuous-training`: the whole loop, from new trace files to a released model."""

from __future__ import annotations

from hera.workflows import Task, WorkflowTemplate

from workflows import parameters
from workflows.documents import workflow_template
from workflows.environment import Environment
from workflows.gate_servers import gate_urls
from workflows.loop import Loop
from workflows.nemo import clean_up_templates
from workflows.templates import kebab, step_template, task_output, workflow_param

NAME = "continuous-training"
CHECKED = ("window_days", "method", "trainer", "base_model", "max_cost_usd", "sources")
RESOLVED = ("golden", "base_model")


def given(env: Environment) -> dict[str, str]:
    """Where the loop's `run.NAME` inputs come from: the workflow's parameters, checked and resolved."""
    checked = {f"run.{name}": task_output("check-params", name) for name in ("since", "until", "method", "trainer")}
    resolved = {f"run.{name}": task_output("resolve", name) for name in ("golden", "champion", "champion_artifact", "base")}
    direct = {f"run.{name}": workflow_param(kebab(name)) for name in ("sources", "max_cost_usd")}
    return checked | resolved | direct | {f"run.{name}": url for name, url in gate_urls(env).items()}


def prelude(env: Environment) -> tuple[list[Task], list[object]]:
    """Check what was typed, then fix what it means; both before anything costly."""
    check = Task(name="check-params", template="check-params", arguments={kebab(name): workflow_param(kebab(name)) for name in CHECKED})
    resolve = Task(
        name="resolve",
        template="resolve",
        depends="check-params.Succeeded",
        arguments={kebab(name): workflow_param(kebab(name)) for name in RESOLVED},
    )
    return [check, resolve], [step_template(env, "check-params", CHECKED), step_template(env, "resolve", RESOLVED)]


def build(env: Environment) -> WorkflowTemplate:
    """The WorkflowTemplate."""
    tasks, templates = prelude(env)
    loop = Loop(env, given(env), roots=("resolve",)).add()
    return workflow_template(
        env,
        NAME,
        "Ingest, govern, label and curate new traces; after an approval train a candidate and compare it with the champion; "
        "after another approval release it.",
        [*tasks, *loop.tasks],
        [*templates, *loop.templates],
        parameters.of_training(env),
        clean_up=clean_up_templates(env),
    )
