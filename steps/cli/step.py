"""`ctp step NAME`: one step of the catalog, in a pod or by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from steps.cli.options import DEFAULT_WORKDIR, ConfigOption, JsonOption, SetOption, WorkdirOption, load_settings, show
from steps.contract.catalog import ALL_STEPS, find_step
from steps.contract.errors import UsageError
from steps.contract.runtime import run_step
from steps.contract.spec import StepContext


def step(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Step to run; `ctp step help` lists them.")],
    config: ConfigOption = None,
    overrides: SetOption = None,
    workdir: WorkdirOption = DEFAULT_WORKDIR,
    run_id: Annotated[str, typer.Option(help="Run that the step belongs to.")] = "manual",
    result_file: Annotated[Path | None, typer.Option(help="Write the result JSON here, atomically.", show_default=False)] = None,
    outputs_dir: Annotated[Path | None, typer.Option(help="Write each result field to its own file here.", show_default=False)] = None,
    as_json: JsonOption = False,
) -> None:
    """Run one step of the pipeline; its parameters follow as --name=value."""
    if name in {"help", "--help"}:
        list_steps()
        return
    if {"--help", "-h"} & set(context.args):
        describe_step(name)
        return
    ctx = StepContext(config=load_settings(config, overrides), run_id=run_id, workdir=workdir.resolve())
    result = run_step(find_step(name), split_params(context.args), ctx, result_file, outputs_dir)
    if result_file is None:
        show(result.model_dump(mode="json"), as_json=as_json)


def _from_file(word: str) -> str:
    """Argo writes a word above 128 KiB to a file: the failures of a wide fan-out come to that.

    Source: Argo Workflows v4.1.2, runEmissary in cmd/argoexec/commands/emissary.go.
    """
    try:
        return Path(word[1:]).read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{word!r}: no such file; parameters are written --name=value") from error


def split_params(arguments: list[str]) -> dict[str, str]:
    """`--key=value` and `--key value` words become parameters; `@file` is a word that was too long for an argument.

    Raises:
        UsageError: a word is neither, or there is no such file.
    """
    params: dict[str, str] = {}
    words = iter([_from_file(word) if word.startswith("@") else word for word in arguments])
    for word in words:
        if not word.startswith("--"):
            raise UsageError(f"{word!r}: parameters are written --name=value")
        name, mark, value = word[2:].partition("=")
        if not mark:
            following = next(words, None)
            if following is None:
                raise UsageError(f"{word}: a value must follow")
            value = following
        params[name.replace("-", "_")] = value
    return params


def list_steps() -> None:
    """Print every step with its summary."""
    typer.echo("Steps (ctp step NAME --help shows the parameters):")
    for spec in ALL_STEPS:
        typer.echo(f"  {spec.name:<16}{spec.summary}")


def describe_step(name: str) -> None:
    """Print a step's parameters and results: name, type, bounds, default and meaning."""
    spec = find_step(name)
    params, result, _ = spec.load()
    typer.echo(f"ctp step {spec.name}: {spec.summary}\n")
    _describe("Parameters", params, lambda key: f"--{key.replace('_', '-')}")
    _describe("Results", result, str)


def _describe(title: str, model: type[BaseModel], spell: Any) -> None:
    typer.echo(f"{title}:")
    for key, field in model.model_fields.items():
        facts = [_type_name(field.annotation), *_bounds(field)]
        if title == "Parameters":
            facts.append("required" if field.is_required() else f"default {_default(field)}")
        typer.echo(f"  {spell(key)}  ({', '.join(facts)})")
        typer.echo(f"      {field.description or ''}".rstrip())


def _bounds(field: FieldInfo) -> list[str]:
    """Range, length and pattern of a field."""
    signs = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below", "pattern": "matches"}
    signs |= {"min_length": "length at least", "max_length": "length at most"}
    facts = []
    for item in field.metadata:
        for name, words in signs.items():
            value = getattr(item, name, None)
            if value is not None:
                facts.append(f"{words} {value}")
    return facts


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    return "none" if value is None or value == "" else str(value)


def _type_name(annotation: Any) -> str:
    return getattr(annotation, "__name__", None) or str(annotation).replace("typing.", "").replace("steps.contract.refs.", "")
