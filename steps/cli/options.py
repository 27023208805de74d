"""Options that many commands of `ctp` share, and what they mean."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from steps.contract.config import PipelineConfig

ConfigOption = Annotated[Path | None, typer.Option("--config", help="YAML file with the configuration.", show_default=False)]
SetOption = Annotated[list[str] | None, typer.Option("--set", help="Override one value, as in train.method=grpo.", show_default=False)]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document for machines.")]
WorkdirOption = Annotated[Path, typer.Option("--workdir", help="Folder that holds everything the loop writes.")]

DEFAULT_WORKDIR = Path("work")
LAPTOP = Path(__file__).parents[1] / "laptop" / "laptop.yaml"


def settings(path: Path | None, overrides: list[str] | None, profile: Path | None = None) -> PipelineConfig:
    """The configuration that a command runs with."""
    from steps.contract.config import load_config

    return load_config(path, tuple(overrides or ()), profile)


def emit(value: Any) -> None:
    """Print one JSON document."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))
