"""Options that many commands of `ctp` share, and what they mean."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from steps.contract.config import PipelineConfig, load_config

ConfigOption = Annotated[Path | None, typer.Option("--config", help="YAML file with the configuration.", show_default=False)]
SetOption = Annotated[list[str] | None, typer.Option("--set", help="Override one value, as in train.method=grpo.", show_default=False)]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document for machines.")]
WorkdirOption = Annotated[Path, typer.Option("--workdir", help="Folder that holds everything the loop writes.")]

DEFAULT_WORKDIR = Path("work")
LAPTOP = Path(__file__).parents[1] / "laptop" / "laptop.yaml"


def load_settings(path: Path | None, overrides: list[str] | None, profile: Path | None = None) -> PipelineConfig:
    """The configuration that a command runs with."""
    return load_config(path, tuple(overrides or ()), profile)


def emit(value: Any) -> None:
    """Print one JSON document."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def show(value: Any, *, as_json: bool) -> None:
    """Print a document: for people as indented lines, for machines as JSON."""
    if as_json:
        emit(value)
    else:
        typer.echo(yaml.safe_dump(json.loads(json.dumps(value, default=str)), sort_keys=False, allow_unicode=True, width=120), nl=False)
