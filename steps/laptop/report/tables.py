"""Rows of the page's tables, as text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from steps.laptop.report import charts, numbers, stages
from steps.laptop.report.record import Approval, RunReport


def approval_facts(approval: Approval) -> list[tuple[str, str]]:
    """What the person saw, in words."""
    facts = []
    for name, value in approval.shown.items():
        if isinstance(value, bool):
            text = "yes" if value else "no"
        elif isinstance(value, float):
            text = f"{value:.4g}"
        elif isinstance(value, str) and re.fullmatch(r"-?\d+\.\d{5,}", value):
            text = f"{float(value):.4g}"
        elif isinstance(value, str) and re.fullmatch(r"[0-9a-f]{40,}", value):
            text = value[:16] + "…"
        else:
            text = numbers.DASH if value is None else str(value)
        facts.append((stages.title_of(name.rpartition(".")[2]), text))
    return facts


@dataclass(frozen=True)
class CostRow:
    """Time and money of one stage; the last row is the total."""

    title: str
    bar: Markup
    wall: str
    cpu: str
    cost: str


def cost_rows(record: RunReport) -> list[CostRow]:
    """One row a stage and their total."""
    names = list(dict.fromkeys([*record.seconds, *record.cpu_seconds, *record.cost_usd]))
    if not names:
        return []

    longest = max(record.seconds.values(), default=0.0)

    def row(title: str, wall: float | None, cpu: float | None, cost: float | None, top: float = longest) -> CostRow:
        bar = charts.meter(wall, top) if top else Markup("")
        return CostRow(title, bar, numbers.duration(wall), numbers.duration(cpu), numbers.dollars(cost))

    def total(column: dict[str, Any]) -> float | None:
        amounts = [value for value in column.values() if value is not None]
        return sum(amounts) if amounts else None

    rows = [
        row(stages.stage_title(name), record.seconds.get(name), record.cpu_seconds.get(name), record.cost_usd.get(name)) for name in names
    ]
    return [*rows, row("Total", total(record.seconds), total(record.cpu_seconds), total(record.cost_usd), 0.0)]


def provenance(record: RunReport) -> list[tuple[str, str]]:
    """Identifiers that pin the run, left out where a run has none."""
    rows: list[tuple[str, Any]] = [
        ("Run", record.run_id),
        ("Started", numbers.moment(record.started_at) if record.started_at else ""),
        ("Finished", numbers.moment(record.finished_at) if record.finished_at else ""),
        ("Method and seed", f"{record.method}, {record.seed}"),
        ("Configuration", record.config_hash),
        ("Traces snapshot", record.ingest.snapshot_id if record.ingest else ""),
        ("Dataset snapshot", record.dataset.snapshot_id if record.dataset else ""),
        ("Dataset digest", record.dataset.digest if record.dataset else ""),
        ("Peak memory", f"{record.peak_memory_mb:,.0f} MB" if record.peak_memory_mb is not None else ""),
    ]
    return [(name, str(value)) for name, value in rows if value not in ("", None)]


def reproduce(record: RunReport) -> list[tuple[str, str]]:
    """Commands that show or repeat the run, with what each does."""
    candidate = record.registry.candidate if record.registry else None
    commands = []
    if candidate is not None:
        model = candidate if isinstance(candidate, str) and "@" in candidate else f"agent-model@{candidate}"
        commands.append((f"ctp reproduce {model}", "train it again from the same snapshots and compare the digests"))
        commands.append((f"ctp lineage {model}", "every trace, label and decision behind the model"))
    commands.append((f"ctp run --seed {record.seed} --method {record.method}", "the whole loop again, from fresh traffic"))
    return commands
