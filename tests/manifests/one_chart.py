"""One chart of ours, rendered alone and with changed values; what all charts make together is in `rendered`."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from helm_python import lint

from . import cel, core_schemas, crds
from .rendered import Manifest, environment_files, merged, read_values, render
from .versions import pins

Objects = dict[tuple[str, str], Manifest]


class OneChart:
    """A chart as its Application installs it.

    Args:
        chart: its folder.
        release: name of the Helm release.
        namespace: where it is installed.
    """

    def __init__(self, chart: Path, release: str, namespace: str) -> None:
        self.chart, self.release, self.namespace = chart, release, namespace
        self._rendered = cache(self._render)

    def objects(self, environment: str, more: dict[str, Any] | None = None) -> Objects:
        """(kind, name) -> manifest, `more` laid over the environment's values; do not change them."""
        return self._rendered(environment, json.dumps(more or {}))

    def _render(self, environment: str, more: str) -> Objects:
        values = merged(read_values(environment_files(environment)), json.loads(more))
        found = render(self.chart, values, self.release, self.namespace)
        return {(manifest["kind"], manifest["metadata"]["name"]): manifest for manifests in found.values() for manifest in manifests}

    def complaints(self, environment: str) -> list[Any]:
        """Errors and warnings of `helm lint`."""
        report = lint(str(self.chart), read_values(environment_files(environment)), strict=True, namespace=self.namespace)
        return [*report["errors"], *(message for message in report["messages"] if message["severity"] > 1)]


def refusals(found: Objects) -> list[str]:
    """What the API server would not take: by CRD and its rules, the rest by the schemas of both ends of the supported range."""
    problems = []
    for (kind, name), manifest in found.items():
        schema = crds.schema_of(manifest["apiVersion"], kind)
        if schema is None:
            for version in (pins()["KUBERNETES_LOWEST"], pins()["KUBERNETES_HIGHEST"]):
                problems += [f"{kind} {name}: {problem}" for problem in core_schemas.problems(manifest, version)]
            continue
        problems += [f"{kind} {name}: {problem}" for problem in crds.problems(manifest, schema)]
        verdicts = cel.verdicts(crds.with_defaults(manifest, schema), schema)
        problems += [f"{kind} {name}: {verdict.rule}" for verdict in verdicts if not verdict.held]
    return problems
