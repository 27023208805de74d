"""The committed files as data, and the ways through them."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from workflows.environment import RENDERINGS, Environment, load_environment

ROOT = Path(__file__).parents[2]
Document = dict[str, Any]
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@functools.cache
def environment_of(rendering: str) -> Environment:
    """The values that the files were rendered from: of one of the environments that share them."""
    return load_environment(RENDERINGS[rendering][-1])


def rendering_of(environment: str) -> str:
    """The rendering that an environment's cluster takes."""
    return next(rendering for rendering, names in RENDERINGS.items() if environment in names)


@functools.cache
def documents(rendering: str) -> dict[str, Document]:
    """File name -> manifest."""
    folder = ROOT / "workflows" / "rendered" / rendering
    return {path.name: yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader) for path in sorted(folder.glob("*.yaml"))}


def workflow_templates(environment: str) -> dict[str, Document]:
    """Name -> WorkflowTemplate."""
    return {item["metadata"]["name"]: item for item in documents(environment).values() if item["kind"] == "WorkflowTemplate"}


def cron_workflows(environment: str) -> dict[str, Document]:
    """Name -> CronWorkflow."""
    return {item["metadata"]["name"]: item for item in documents(environment).values() if item["kind"] == "CronWorkflow"}


EVERY_WORKFLOW = [(rendering, name) for rendering in RENDERINGS for name in workflow_templates(rendering)]


def templates(environment: str, workflow: str) -> dict[str, Document]:
    """Name -> template of one WorkflowTemplate."""
    return {item["name"]: item for item in workflow_templates(environment)[workflow]["spec"]["templates"]}


def containers() -> Iterator[Any]:
    """(environment, workflow, template) of every template with a container."""
    for environment, workflow in EVERY_WORKFLOW:
        for template in templates(environment, workflow).values():
            if "container" in template:
                yield environment, workflow, template


def each_pod(check: Callable[[str, str, Document], None]) -> Any:
    """Turn a check of one template with a container into a test of every WorkflowTemplate: a case a template would be thousands."""

    @pytest.mark.parametrize(("environment", "workflow"), EVERY_WORKFLOW)
    def test(environment: str, workflow: str) -> None:
        for name, template in templates(environment, workflow).items():
            if "container" in template:
                try:
                    check(environment, workflow, template)
                except BaseException as error:
                    error.add_note(f"template {name} of {workflow} in {environment}")
                    raise

    test.__name__, test.__doc__, test.__module__ = check.__name__, check.__doc__, check.__module__
    return test


def parameters(holder: Document, kind: str) -> dict[str, Document]:
    """Name -> parameter among `inputs`, `outputs` or `arguments`."""
    return {item["name"]: item for item in (holder.get(kind) or {}).get("parameters") or []}


def tasks(template: Document) -> dict[str, Document]:
    """Name -> task of a DAG."""
    return {task["name"]: task for task in template["dag"]["tasks"]}


def needed_by(task: Document) -> set[str]:
    """Tasks that a task's `depends` names."""
    return set(re.findall(r"([\w-]+)\.[A-Z]\w+", task.get("depends", "")))


def before(all_tasks: dict[str, Document], name: str) -> set[str]:
    """Every task on a way to this one."""
    direct = needed_by(all_tasks[name])
    return direct.union(*(before(all_tasks, need) for need in direct)) if direct else set()


def references(value: Any) -> Iterator[str]:
    """Every simple `{{…}}` below a value."""
    if isinstance(value, str):
        yield from (tag.strip() for tag in re.findall(r"\{\{([^={}][^{}]*)\}\}", value))
    elif isinstance(value, dict):
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def filled(text: str, values: Mapping[str, str]) -> str:
    """A text with Argo's references replaced, as its controller does before anything else reads it."""
    return re.sub(r"\{\{([^{}]+)\}\}", lambda match: values[match[1]], text)


def shared_crds() -> Path | None:
    """Where the CRDs lie, if they are here: CTP_SHARED_CRDS, or `shared/crds` beside or in the checkout."""
    given = os.environ.get("CTP_SHARED_CRDS")
    candidates = [Path(given)] if given else [ROOT / "shared" / "crds", ROOT.parent / "shared" / "crds"]
    return next((path for path in candidates if (path / "validate.py").is_file()), None)
