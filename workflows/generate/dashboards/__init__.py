"""Grafana dashboards as code: `python -m workflows.generate` writes `charts/observability/dashboards/*.json`.

They are of Grafana's classic model, which a sidecar loads from ConfigMaps: kube-prometheus-stack brings Grafana with
that sidecar, so that no second operator is needed for files that never change at run time.
"""

from __future__ import annotations

from pathlib import Path

from steps.contract.files import write_atomic
from workflows.generate.dashboards import canary, cost, judges, loop, rights
from workflows.generate.dashboards.panels import text_of

FOLDER = Path("charts/observability/dashboards")
BUILDERS = {"loop": loop.build, "canary": canary.build, "judges": judges.build, "cost": cost.build, "rights": rights.build}


def texts() -> dict[str, str]:
    """File name -> text; the same bytes every time."""
    return {f"{name}.json": text_of(build()) for name, build in BUILDERS.items()}


def stale(root: Path) -> list[str]:
    """Files that differ from what they should be, are missing, or should not be there."""
    wanted, folder = texts(), root / FOLDER
    present = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*")} if folder.is_dir() else {}
    return [f"{FOLDER}/{name}" for name in sorted(present.keys() | wanted.keys()) if present.get(name) != wanted.get(name)]


def write(root: Path) -> None:
    """Make the folder hold exactly these files."""
    wanted, folder = texts(), root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        write_atomic(folder / name, text)
