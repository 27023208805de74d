"""What `make render` writes and `make check` checks.

These are `workflows/rendered/{kind,eks}/*.yaml`, which Argo CD syncs, once for all environments
that share them; and below `charts/environments/<env>/`: `derived.yaml`, which the charts read, and what a team gives to AWS
(`iam/`, `s3-lifecycle.json`); the dashboards of `charts/observability`; and the schema of the configuration, which editors and Helm read.

The output depends on nothing but the sources and the environments' values: the same bytes on
every machine, whatever the hash seed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hera.workflows import CronWorkflow, WorkflowTemplate

from steps.contract.errors import ConfigError, PipelineError
from steps.contract.workflows import WORKFLOWS
from workflows.documents import cron_workflow, workflow_template
from workflows.environment import RENDERINGS, ROOT, Environment, load_environment
from workflows.generate import dashboards, derived, lifecycle, value_schema
from workflows.generate.files import find_stale, write, yaml_text
from workflows.generate.iam import files as iam


def documents(env: Environment) -> dict[str, dict[str, Any]]:
    """Every object of an environment: file name -> manifest. One object a file."""
    objects: dict[str, WorkflowTemplate | CronWorkflow] = {}
    for workflow in WORKFLOWS:
        objects[f"workflowtemplate-{workflow.name}.yaml"] = workflow_template(env, workflow)
        schedule = getattr(env.workflows.schedules, workflow.name.replace("-", "_"), None)
        if schedule is not None and schedule.cron:
            objects[f"cronworkflow-{workflow.name}.yaml"] = cron_workflow(env, workflow.name, schedule)
    return {name: objects[name].to_dict() for name in sorted(objects)}


def render(env: Environment) -> dict[str, str]:
    """File name -> text."""
    return {name: yaml_text(manifest) for name, manifest in documents(env).items()}


def render_once(rendering: str, environments: Sequence[Environment]) -> dict[str, str]:
    """File name -> text of what several environments share.

    Raises:
        ConfigError: they do not give the same, since their values differ in something that is rendered.
    """
    first, *others = environments
    texts = render(first)
    for other in others:
        if render(other) != texts:
            raise ConfigError(_difference(rendering, first, other))
    return texts


def _difference(rendering: str, one: Environment, other: Environment) -> str:
    mine, theirs = one.rendered_values(), other.rendered_values()
    keys = sorted(key for key in mine.keys() | theirs.keys() if mine.get(key) != theirs.get(key))
    named = ", ".join(f"{key} is {theirs.get(key)!r} and in {one.name} {mine.get(key)!r}" for key in keys)
    return (
        f"charts/environments/{other.name}/values.yaml: {named or f'its workflows are not those of {one.name}'}: workflows/rendered/"
        f"{rendering} is rendered once for both, so give both the same, or {other.name} a rendering of its own (RENDERINGS)"
    )


def folder_of(rendering: str) -> str:
    """Path of a rendering inside the repository."""
    return f"workflows/rendered/{rendering}"


def generate(root: Path = ROOT) -> tuple[dict[str, str], list[str]]:
    """Everything generated: path inside the repository -> text, and the folders that hold nothing else.

    Raises:
        ConfigError: the values do not fit together.
    """
    texts, folders = dashboards.texts() | value_schema.texts(root), [dashboards.FOLDER]
    for rendering, names in RENDERINGS.items():
        environments = [load_environment(name, root) for name in names]
        texts |= {f"{folder_of(rendering)}/{name}": text for name, text in render_once(rendering, environments).items()}
        folders.append(folder_of(rendering))
        for env in environments:
            texts |= beside_values(env, root)
            folders.append(iam.folder_of(env.name))
    return texts, folders


def beside_values(env: Environment, root: Path) -> dict[str, str]:
    """Path inside the repository -> text, of what is generated below charts/environments.

    Raises:
        ConfigError: the values do not fit together.
    """
    texts = {derived.derived_path(env.name): derived.derived_text(env.pipeline), **iam.generated(env.name, root)}
    if env.name in RENDERINGS["eks"]:
        texts[lifecycle.path_of(env.name, root).relative_to(root).as_posix()] = lifecycle.text_of(env.name, root)
    return texts


def main(arguments: list[str]) -> int:
    """Write everything, or with `--check` only say what is stale."""
    check = arguments == ["--check"]
    if arguments and not check:
        print("usage: python -m workflows.generate [--check]", file=sys.stderr)  # noqa: T201
        return 64
    try:
        texts, folders = generate()
    except PipelineError as error:
        print(f"{error.headline}: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    different = (find_stale if check else write)(texts, folders, ROOT)
    for path in different:
        print(f"{'stale' if check else 'written'}: {path}")  # noqa: T201
    if check and different:
        print("Run `make render` and commit the result.", file=sys.stderr)  # noqa: T201
        return 1
    return 0
