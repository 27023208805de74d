"""`trace-ingest`: new trace files through the four gates into the lake."""

from __future__ import annotations

from hera.workflows import WorkflowTemplate

from steps.contract.pipeline import PIPELINE
from workflows import parameters
from workflows.documents import workflow_template
from workflows.environment import Environment
from workflows.loop import Loop
from workflows.templates import workflow_param

NAME = "trace-ingest"


def build(env: Environment) -> WorkflowTemplate:
    """The WorkflowTemplate."""
    stages = tuple(stage for stage in PIPELINE if stage.name in ("ingest", "govern"))
    loop = Loop(env, {"run.sources": workflow_param("sources")}).add(stages)
    description = "Bring every trace file that no earlier run has committed into the lake; a second run finds nothing."
    return workflow_template(env, NAME, description, loop.tasks, loop.templates, [parameters.sources(env)])
