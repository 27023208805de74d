"""Dashboard *Cost and quality KPI*: what was spent, what it bought, and what one has to assume to call it worth it."""

from __future__ import annotations

from workflows.generate.dashboards.panels import Json, bars, dashboard, note, series, stat, table, written

POINT = "ctp:faithfulness_point_cost_usd:last"
METERED = "Metered from finished runs, an upper bound where nobody counted a pod"
ASSUMED = """What a point of faithfulness is worth is an assumption of yours, not a measurement: type it at the top.

Return = (value of +0.01 a month × months it lasts) ÷ dollars for +0.01 − 1.
A return of 0 is break-even. The dollars are GPU and CPU time of the loop at the prices of `pipeline.cost`: people's
time, serving and storage are not in them. The interval is that of the quarter's review (`ctp cost`); an upper bound of
0 dollars means that the gain may be none, and then there is no lower return either.
"""


def _return(bound: str) -> str:
    return f'$value_usd * $months / ({POINT}{{bound="{bound}"}} > 0) - 1'


def build() -> Json:
    """The dashboard."""
    left = "max(ctp:month_cost_limit_usd:last > 0) - max(ctp:month_cost_usd:current)"
    points = [("estimate", "estimate"), ("low", "lower end"), ("high", "upper end")]
    budget = ((None, "green"), (0.8, "yellow"), (1.0, "red"))
    panels = [
        stat(
            "Spent this month", f"{METERED}; nothing before the month's first run has ended.", "ctp:month_cost_usd:current", "currencyUSD"
        ),
        stat("Left of the ceiling", "A training that could exceed it is refused.", left, "currencyUSD"),
        stat("GPU hours this month", f"{METERED}.", "ctp:month_gpu_hours:current", "h"),
        bars(
            "Used of the ceilings",
            "Dollars and GPU hours.",
            "ctp:budget_used:ratio",
            "{{of}}",
            "percentunit",
            width=6,
            height=5,
            limits=budget,
            maximum=1,
        ),
        stat(
            "Dollars for +0.01 faithfulness",
            "Of the last reviewed quarter, with its 95 % interval; an upper end of 0: there is none.",
            POINT,
            "currencyUSD",
            "{{bound}}",
            width=12,
        ),
        stat("Return on the assumptions above", "0 is break-even; see the note.", _return("estimate"), "percentunit", "estimate", width=6),
        stat("… at the interval's dear end", "Empty where the gain may be none.", _return("high"), "percentunit", "at least", width=6),
        series(
            "Diminishing returns",
            "Dollars for +0.01 faithfulness, review by review: rising means that each point costs more than the one before.",
            [(f'{POINT}{{bound="{bound}"}}', legend) for bound, legend in points],
            "currencyUSD",
            width=12,
        ),
        note("What is assumed", ASSUMED, width=12),
        series(
            "Budget over time",
            "This month's dollars against its ceiling.",
            [("ctp:month_cost_usd:current", "spent"), ("ctp:month_cost_limit_usd:last", "ceiling")],
            "currencyUSD",
        ),
        bars("Last run by workflow", f"{METERED}.", "sort_desc(ctp:run_cost_usd:last)", "{{workflow}}", "currencyUSD"),
        bars("GPU hours of the last run", f"{METERED}.", "sort_desc(ctp:run_gpu_hours:last)", "{{workflow}}", "h"),
        series(
            "Dollars by kind of work",
            "Labelling, training and gate of the last continuous-training run.",
            [('ctp:stage_cost_usd:last{workflow="continuous-training"}', "{{stage}}")],
            "currencyUSD",
        ),
        series(
            "GPUs in use",
            "Seen live: pods that run, on which machine and capacity type.",
            [("sum by (instance_type, capacity_type) (ctp:gpus_running)", "{{instance_type}} {{capacity_type}}")],
        ),
        series(
            "Dollars an hour",
            "Seen live: GPUs in use times their price.",
            [("sum by (namespace) (ctp:gpu_cost_usd_per_hour)", "{{namespace}}")],
            "currencyUSD",
        ),
        stat(
            "GPU hours in the range shown",
            "Seen live, by capacity type: idle GPUs of a node are not in them.",
            "sum by (capacity_type) (sum_over_time(ctp:gpu_hours:per_sample[$__range]))",
            "h",
            "{{capacity_type}}",
            width=12,
        ),
        stat(
            "Dollars in the range shown",
            "The same at the prices below.",
            "sum by (capacity_type) (sum_over_time(ctp:gpu_cost_usd:per_sample[$__range]))",
            "currencyUSD",
            "{{capacity_type}}",
            width=12,
        ),
        table(
            "Prices",
            "Dollars an hour for a whole machine (pipeline.cost.instances).",
            "sort_desc(ctp:instance_price_usd_per_hour)",
            "currencyUSD",
            hidden=("__name__",),
            width=24,
        ),
    ]
    variables = [
        written("value_usd", "Value of +0.01 a month, $", "1000", "An assumption: what your users' better answers are worth."),
        written("months", "Months that it lasts", "3", "An assumption: until the next model or other questions."),
    ]
    return dashboard("cost", "CTP · Cost and quality", "GPU hours, dollars, and what they buy.", panels, variables, since="now-90d")
