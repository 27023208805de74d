"""A copy of the repository's manifests whose values can be changed, and rendered as `make render` and Argo CD would."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml

from .rendered import CHARTS, PIN, ROOT, Item, merged, tree

FOLDERS = ("charts", "karpenter", "kgateway", "rollouts", "workflows/rendered")


def copy(into: Path) -> Path:
    """Everything that Argo CD reads, in another place."""
    for folder in FOLDERS:
        if (ROOT / folder).is_dir():
            shutil.copytree(ROOT / folder, into / folder, symlinks=True)
    shutil.copy(ROOT / "versions.env", into / "versions.env")
    assert CHARTS
    return into


def changed(root: Path, environment: str, more: dict[str, Any], file: str = "values.yaml") -> None:
    """Lay values over one file of an environment."""
    path = root / "charts" / "environments" / environment / file
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump(merged(values, more), sort_keys=False), encoding="utf-8")


def rendered(root: Path, environment: str) -> tuple[Item, ...]:
    """What `make render` writes, then every object.

    Raises:
        ConfigError: the values do not fit the schemas of the steps or the workflows.
        HelmError: a chart refuses them.
    """
    from workflows.environment import RENDERINGS, load_environment
    from workflows.generate import derived
    from workflows.generate.files import write
    from workflows.generate.render import folder_of, render

    env = load_environment(environment, root)
    # The other environments of its rendering keep their values: what is asked about is this one alone.
    folder = folder_of(next(rendering for rendering, names in RENDERINGS.items() if environment in names))
    texts = {f"{folder}/{name}": text for name, text in render(env).items()}
    write(texts | {derived.derived_path(environment): derived.derived_text(env.pipeline)}, [folder], root)
    name = env.pipeline.model_name
    return tree(environment, root, merged(PIN, {"model": {"name": name}, "agent": {"model_name": name}}))
