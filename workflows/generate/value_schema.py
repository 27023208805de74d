"""JSON Schema of the blocks `pipeline` and `workflows` of an environment's values.yaml, for editors and reviews.

It comes from the models that read these blocks, so that no description, default or bound is written twice. The chart that
takes both blocks gets them into its own values.schema.json, which Helm checks; the other blocks belong to the charts.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic.json_schema import models_json_schema

from steps.contract.config import PipelineConfig
from workflows.environment import Workflows

PATH = "charts/values.schema.json"
CHART = "charts/pipeline/values.schema.json"
# A file names only what differs from the built-in table, so that no field of these is required in it.
_LAID_ON_DEFAULTS = ("Instance", "Machine")


def schema() -> dict[str, Any]:
    """The schema, in JSON Schema 2020-12."""
    references, document = models_json_schema([(PipelineConfig, "validation"), (Workflows, "validation")])
    for name in _LAID_ON_DEFAULTS:
        document["$defs"][name].pop("required", None)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "charts/environments/<environment>/values.yaml",
        "type": "object",
        "properties": {
            "pipeline": references[PipelineConfig, "validation"],
            "workflows": references[Workflows, "validation"],
        },
        "$defs": document["$defs"],
    }


def chart_schema(root: Path) -> dict[str, Any]:
    """The schema of the chart that takes both blocks: hand-written but for them.

    Nothing in them is required, since Helm merges several files before a block is whole.
    """
    document, own = schema(), json.loads((root / CHART).read_text(encoding="utf-8"))
    for block in ("pipeline", "workflows"):
        own["properties"][block] = {"type": "object", "allOf": [document["properties"][block]]}
    # The claim of artifacts has no default in the chart.
    own["properties"]["workflows"]["required"] = ["claim"]
    own["$defs"] = document["$defs"]
    for model in own["$defs"].values():
        model.pop("required", None)
    return dict(own)


def texts(root: Path) -> dict[str, str]:
    """Path inside the repository -> text."""
    return {
        PATH: json.dumps(schema(), indent=1, sort_keys=True, ensure_ascii=False) + "\n",
        CHART: json.dumps(chart_schema(root), indent=2, ensure_ascii=False) + "\n",
    }
