"""Staging of a settled unit: its rows as data files that no snapshot holds, and the manifest that names them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from steps.govern.batch import Outcome
from steps.govern.manifest import LedgerEntry, Manifest, Staged, Unread
from steps.govern.rows import to_table
from steps.store.units import Unit

if TYPE_CHECKING:
    from steps.store.lake import Lake


def stage(unit: Unit, outcome: Outcome, lake: Lake) -> Manifest:
    """Write the rows of a settled unit as data files that no snapshot holds; the manifest that names them."""
    files = {}
    for table, rows in outcome.rows.items():
        if rows:
            staged = lake.write_files(table, to_table(table, [{**row, "ingest_batch": unit.id} for row in rows]), f"staged-{unit.id}")
            files[table] = tuple(Staged(**asdict(file)) for file in staged)
    return Manifest(
        unit=unit,
        files=files,
        ledger=tuple(LedgerEntry.model_validate(row) for row in outcome.ledger),
        quarantine=tuple(Unread.model_validate(row) for row in outcome.quarantine),
        by_trace=outcome.by_trace,
        spans=outcome.spans,
    )
