"""run_step: the one way a step runs, in a pod, by hand or in the local loop."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from steps.contract.errors import PipelineError, UsageError, classify
from steps.contract.files import canonical_json, write_atomic
from steps.contract.spec import StepContext, StepSpec

log = logging.getLogger("ctp")


def validate_params(spec: StepSpec, raw: Mapping[str, Any]) -> BaseModel:
    """Build the step's parameters; an empty text stands for "not given" unless the parameter is text.

    Raises:
        UsageError: a parameter is unknown, missing or malformed.
    """
    params_type, _, _ = spec.load()
    try:
        return params_type.model_validate(_without_empty(params_type, raw))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "(parameters)"
        raise UsageError(f"step {spec.name}: --{key.replace('_', '-')}: {first['msg']}") from error


def _without_empty(params_type: type[BaseModel], raw: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters without the empty ones: a workflow cannot leave an argument out, so it passes an empty text."""
    fields = params_type.model_fields
    texts = {name for name, field in fields.items() if field.annotation is str}
    return {name: value for name, value in raw.items() if value != "" or name in texts or name not in fields}


def write_outputs(result: BaseModel, folder: Path) -> None:
    """Write each field of a result as its own file: text as it is, None as an empty file, everything else as JSON."""
    for name, value in result.model_dump(mode="json").items():
        text = value if isinstance(value, str) else "" if value is None else canonical_json(value)
        write_atomic(folder / name, text)


def run_step(
    spec: StepSpec, raw: Mapping[str, Any], ctx: StepContext, result_file: Path | None = None, outputs_dir: Path | None = None
) -> BaseModel:
    """Validate, run, write the result atomically.

    Args:
        spec: which step.
        raw: its parameters as text or plain values.
        ctx: configuration, run id, work folder, progress.
        result_file: where the result JSON goes; None keeps it in memory.
        outputs_dir: folder that gets one file for each field of the result.

    Raises:
        PipelineError: anything a user can act on, with its exit code.
    """
    params = validate_params(spec, raw)
    _, result_type, run = spec.load()
    try:
        result = run(params, ctx)
        if not isinstance(result, result_type):
            raise TypeError(f"step {spec.name} returned {type(result).__name__}, not its Result")
        if result_file is not None:
            write_atomic(result_file, result.model_dump_json(indent=2) + "\n")
        if outputs_dir is not None:
            write_outputs(result, outputs_dir)
    except PipelineError:
        raise
    except Exception as error:
        known = classify(error)
        if known is None:
            raise
        raise known from error
    return result
