"""Grafana dashboards as code: `make render` writes `charts/observability/dashboards/*.json`.

They are of Grafana's classic model, which a sidecar loads from ConfigMaps: kube-prometheus-stack brings Grafana with
that sidecar, so that no second operator is needed for files that never change at run time.
"""

from __future__ import annotations

from workflows.generate.dashboards import canary, cost, judges, loop, rights
from workflows.generate.dashboards.panels import text_of

FOLDER = "charts/observability/dashboards"
BUILDERS = {"loop": loop.build, "canary": canary.build, "judges": judges.build, "cost": cost.build, "rights": rights.build}


def texts() -> dict[str, str]:
    """Path inside the repository -> text; the same bytes every time."""
    return {f"{FOLDER}/{name}.json": text_of(build()) for name, build in BUILDERS.items()}
