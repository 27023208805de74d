"""`train-and-release`: the loop from curation on, over traces that are in the lake and labelled already."""

from __future__ import annotations

from hera.workflows import WorkflowTemplate

from steps.contract.pipeline import PIPELINE
from workflows import parameters
from workflows.continuous_training import given, prelude
from workflows.documents import workflow_template
from workflows.environment import Environment
from workflows.loop import Loop
from workflows.nemo import clean_up_templates
from workflows.templates import task_output

NAME = "train-and-release"


def build(env: Environment) -> WorkflowTemplate:
    """The WorkflowTemplate. Labelling is part of it, since it finds nothing to do when all traces have their labels."""
    tasks, templates = prelude(env)
    stages = tuple(stage for stage in PIPELINE if stage.name not in ("ingest", "govern"))
    loop = Loop(env, given(env) | {"govern.traces": task_output("resolve", "traces")}, roots=("resolve",)).add(stages)
    return workflow_template(
        env,
        NAME,
        "Train, gate and release on the traces that the lake holds now; reads no new trace files.",
        [*tasks, *loop.tasks],
        [*templates, *loop.templates],
        parameters.of_training(env),
        clean_up=clean_up_templates(env),
    )
