"""Step `govern`: read planned units through the four gates into the lake."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator

from steps.contract.refs import Frozen, TableRef
from steps.contract.spec import StepContext
from steps.govern.batch import Counts, finished, govern_unit
from steps.govern.identity import load_key
from steps.store.lake import open_lake
from steps.store.units import Unit

if TYPE_CHECKING:
    from steps.govern.batch import Counts


def _units(value: Any) -> Any:
    """On a command line units are JSON: the whole list, or a single one of a fan-out."""
    if isinstance(value, str):
        value = json.loads(value)
    return [value] if isinstance(value, dict) else value


class Params(Frozen):
    """What to read.

    Attributes:
        units: as planned by `ingest`.
    """

    units: Annotated[tuple[Unit, ...], BeforeValidator(_units)] = ()


class Result(Frozen):
    """What became of the units; units that were done before count with what they gave then.

    `read == written + quarantined + stopped + duplicates`.

    Attributes:
        traces: the traces table after the last commit.
        read: traces, plus lines, rows and span groups that gave none.
        spans: spans and observations read.
        written: traces committed.
        quarantined: lines, rows and span groups that gave no trace.
        duplicates: traces that were in the lake already.
        stopped: traces that a gate stopped; the sum of `by_gate`.
        masked: traces written with something masked.
        by_gate: traces stopped by each gate: pii, consent, region, confidentiality.
        stopped_pii: the same one by one, for metrics.
        stopped_consent: likewise.
        stopped_region: likewise.
        stopped_confidentiality: likewise.
        snapshot_id: snapshot of `traces`; 0 when nothing was ever written.
    """

    traces: TableRef
    read: int
    spans: int
    written: int
    quarantined: int
    duplicates: int
    stopped: int
    masked: int
    by_gate: dict[str, int]
    stopped_pii: int = 0
    stopped_consent: int = 0
    stopped_region: int = 0
    stopped_confidentiality: int = 0
    snapshot_id: int


def run(params: Params, ctx: StepContext) -> Result:
    """Govern every unit; a unit that is already done is not read again.

    Raises:
        DataError: a planned file changed or is gone.
        AccessError: a file or the key may not be read.
        TransientError: the lake does not answer or other writers won every race.
    """
    total = Counts()
    key = load_key(ctx.config.govern, ctx.workdir)
    with open_lake(ctx.config, ctx.workdir) as lake, ctx.progress.task("governing", total=len(params.units), unit="units") as task:
        done = finished(lake)
        for unit in params.units:
            total.add(done[unit.id] if unit.id in done else govern_unit(unit, lake, ctx.config.govern, key, ctx.run_id))
            task.advance(1)
        traces = lake.current("traces")
    return result_of(total, traces)


def result_of(total: Counts, traces: TableRef) -> Result:
    """The result of counts."""
    from dataclasses import asdict

    by_gate: dict[str, Any] = {f"stopped_{gate}": count for gate, count in total.by_gate.items()}
    return Result(traces=traces, snapshot_id=traces.snapshot_id, stopped=sum(total.by_gate.values()), **by_gate, **asdict(total))
