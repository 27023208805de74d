"""Run the measurements of this folder, print one table, write bench/results/NAME.json.

Each measurement module has `measure() -> list[Row]`. Speed is a ratio between two
things timed in turn in the same run; CPU seconds stand beside wall seconds.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.row import Row
from steps.contract.files import write_json

MEASUREMENTS = ("gate_power", "ingest", "labelling", "loop", "pii")
RESULTS = Path(__file__).parent / "results"


def main(names: list[str]) -> int:
    """Run the named measurements, or all; 1 when a target was missed."""
    unknown = set(names) - set(MEASUREMENTS)
    if unknown:
        print(f"no measurement is called {sorted(unknown)[0]!r}; there are: {', '.join(MEASUREMENTS)}", file=sys.stderr)
        return 64
    rows: list[Row] = []
    for name in names or MEASUREMENTS:
        measured: list[Row] = importlib.import_module(f"bench.{name}").measure()
        write_json(RESULTS / f"{name}.json", measured)
        rows += measured
    table = Table(title="Measurements")
    for column in ("what", "value", "unit", "against", "target", "held"):
        table.add_column(column)
    for row in rows:
        held = {True: "yes", False: "NO", None: ""}[row["ok"]]
        table.add_row(row["name"], f"{row['value']:,.4g}", row["unit"], row["baseline"], row["target"], held)
    Console(width=160).print(table)
    return int(any(row["ok"] is False for row in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
