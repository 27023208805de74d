"""What a month costs by plan, before anything is metered: the arithmetic of docs/cost.md. Pure.

Every line is machines x hours x price; the prices are `pipeline.cost`'s, the numbers of machines
and hours are assumptions that stand here and in the document, which a test holds together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from steps.contract.config import CostConfig
from steps.contract.config.prices import Capacity

HOURS_A_MONTH = 730
DAYS_A_MONTH = HOURS_A_MONTH / 24
ITERATIONS = 2
NODES, NODE_GPUS = 3, 8
# The design's span for one training.
TRAIN_HOURS = (4, 6)
SKETCH_USD = 4000


class Line(NamedTuple):
    """One line of the plan: `machines` machines for `low_h` to `high_h` hours a month each."""

    what: str
    instance: str
    capacity: Capacity
    machines: int
    low_h: float
    high_h: float

    def usd(self, cost: CostConfig) -> tuple[float, float]:
        """US dollars a month, from and to."""
        price = self.machines * cost.instances[self.instance].usd_an_hour(self.capacity)
        return price * self.low_h, price * self.high_h


def _train_hours() -> tuple[float, float]:
    return ITERATIONS * TRAIN_HOURS[0], ITERATIONS * TRAIN_HOURS[1]


PIPELINE: tuple[Line, ...] = (
    Line("training, 2 iterations", "p5en.48xlarge", "spot", NODES, *_train_hours()),
    Line("its Ray head", "m7i.2xlarge", "on-demand", 1, *_train_hours()),
    Line("gate, 2 releases and the monthly evaluation", "g6.12xlarge", "spot", 1, 3, 6),
    Line("reward judge, 3 replicas: 10 h a week, or 10 h a day", "g6.xlarge", "spot", 3, 10 * DAYS_A_MONTH / 7, 10 * DAYS_A_MONTH),
    Line("gate judge, 1 replica always there", "g6.xlarge", "spot", 1, HOURS_A_MONTH, HOURS_A_MONTH),
    Line("steps without a GPU, 2 to 6 h a day", "m7i.2xlarge", "spot", 1, 2 * DAYS_A_MONTH, 6 * DAYS_A_MONTH),
)
SERVING: tuple[Line, ...] = (Line("serving a 4-14 B model, 2 replicas", "g6.12xlarge", "on-demand", 2, HOURS_A_MONTH, HOURS_A_MONTH),)
LARGE_SERVING = Line("serving one replica that needs 8 x H200", "p5en.48xlarge", "on-demand", 1, HOURS_A_MONTH, HOURS_A_MONTH)


def total(lines: Sequence[Line], cost: CostConfig) -> tuple[float, float]:
    """US dollars a month of some lines, from and to."""
    sums = [line.usd(cost) for line in lines]
    return sum(low for low, _ in sums), sum(high for _, high in sums)


def highest_spot_usd(cost: CostConfig, rest: Sequence[Line], hours: float) -> float:
    """Up to which hourly price of a training machine the sketch's sum holds, beside the upper end of `rest`.

    Below 0: at none.
    """
    return (SKETCH_USD - total(rest, cost)[1]) / (NODES * hours)


def tables(cost: CostConfig) -> str:
    """The tables of docs/cost.md."""
    rows = ["| what | machines | hours a month | USD an hour | USD a month |", "| --- | --- | --- | --- | --- |"]
    rows += [_row(line, cost) for line in PIPELINE]
    rows += [_sum("**pipeline**", PIPELINE, cost)]
    rows += [_row(line, cost) for line in SERVING]
    rows += [_sum("**pipeline and serving**", (*PIPELINE, *SERVING), cost)]
    rows += [_row(LARGE_SERVING, cost)]
    low, high = (ITERATIONS * NODES * NODE_GPUS * hours for hours in TRAIN_HOURS)
    others = PIPELINE[1:]
    node, hours = cost.instances["p5en.48xlarge"], ITERATIONS * TRAIN_HOURS[1]
    return "\n".join(
        [
            *rows,
            "",
            f"One training: {NODES} x {node.usd_an_hour('on-demand'):g} x ({TRAIN_HOURS[0]} to {TRAIN_HOURS[1]} h) = "
            f"{_span(*(NODES * node.usd_an_hour('on-demand') * h for h in TRAIN_HOURS))} USD, "
            f"{node.gpu_hour_usd('on-demand'):.2f} USD a GPU hour. "
            f"A month: {low} to {high} GPU hours.",
            "",
            f"Highest price of a p5en hour at which {SKETCH_USD:,} USD holds at {TRAIN_HOURS[1]} h a training: "
            f"({SKETCH_USD:,} - {total(others, cost)[1]:,.0f}) / ({NODES} x {hours}) = {highest_spot_usd(cost, others, hours):.2f} USD.",
            "",
            f"With serving there is none: without any training it costs {total((*others, *SERVING), cost)[1]:,.0f} USD already."
            if highest_spot_usd(cost, (*others, *SERVING), hours) <= 0
            else f"With serving: {highest_spot_usd(cost, (*others, *SERVING), hours):.2f} USD.",
        ]
    )


def _row(line: Line, cost: CostConfig) -> str:
    instance = cost.instances[line.instance]
    bound = "" if line.capacity in instance.hour_usd else " at most"
    price = f"{instance.usd_an_hour(line.capacity):g}{bound}"
    hours = _span(line.low_h, line.high_h)
    return f"| {line.what} | {line.machines} x {line.instance} ({line.capacity}) | {hours} | {price} | {_span(*line.usd(cost))} |"


def _sum(what: str, lines: Sequence[Line], cost: CostConfig) -> str:
    return f"| {what} | | | | **{_span(*total(lines, cost))}** |"


def _span(low: float, high: float) -> str:
    return f"{low:,.0f}" if round(low) == round(high) else f"{low:,.0f} to {high:,.0f}"
