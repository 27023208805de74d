"""Every step there is, in pipeline order. Read this to know what exists."""

from __future__ import annotations

from steps.core.spec import StepSpec
from steps.errors import UsageError

STEPS: tuple[StepSpec, ...] = (
    StepSpec("ingest", "steps.ingest.step", "find new trace files and plan them as units"),
    StepSpec("govern", "steps.govern.step", "read units through the four gates into the lake"),
    StepSpec("label", "steps.label.step", "score traces 0-1 with Ragas and the judge"),
    StepSpec("curate", "steps.curate.step", "build preference pairs and prompts"),
    StepSpec("train", "steps.train.step", "train a candidate with DPO or GRPO"),
    StepSpec("gate", "steps.gate.step", "compare candidate and champion on the golden set"),
    StepSpec("register", "steps.registry.step", "record the candidate with its lineage"),
    StepSpec("release", "steps.release.step", "commit the new model pin to Git"),
)


def find_step(name: str) -> StepSpec:
    """Return the step called `name`.

    Raises:
        UsageError: no step has that name.
    """
    for spec in STEPS:
        if spec.name == name:
            return spec
    raise UsageError(f"no step is called {name!r}; steps are: {', '.join(spec.name for spec in STEPS)}")
