"""run_step: the one way a step runs, in a pod, by hand or in the local loop."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from steps.core.files import write_atomic
from steps.core.spec import StepContext, StepSpec
from steps.errors import PipelineError, UsageError, classify

log = logging.getLogger("ctp")


def validate_params(spec: StepSpec, raw: Mapping[str, Any]) -> BaseModel:
    """Build the step's parameters.

    Raises:
        UsageError: a parameter is unknown, missing or malformed.
    """
    params_type, _, _ = spec.load()
    try:
        return params_type.model_validate(dict(raw))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "(parameters)"
        raise UsageError(f"step {spec.name}: --{key.replace('_', '-')}: {first['msg']}") from error


def run_step(spec: StepSpec, raw: Mapping[str, Any], ctx: StepContext, result_file: Path | None = None) -> BaseModel:
    """Validate, run, write the result atomically.

    Args:
        spec: which step.
        raw: its parameters as text or plain values.
        ctx: configuration, run id, work folder, progress.
        result_file: where the result JSON goes; None keeps it in memory.

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
    except PipelineError:
        raise
    except Exception as error:
        known = classify(error)
        if known is None:
            raise
        raise known from error
    return result
