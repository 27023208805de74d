"""Every workflow there is, as data: the loop, parts of it, and what operators and schedules start."""

from __future__ import annotations

from steps.contract.nodes import Condition, Node, Parameter, Step, Workflow, bind
from steps.contract.pipeline import (
    GOVERN,
    INGEST,
    LABEL,
    LOOP,
    MANY_NODES,
    RECORD_OUTCOME,
    check,
)

WINDOW_DAYS = Parameter("window_days", "how many days of traces count, today included; 0: all that the lake keeps", setting="window_days")
GOLDEN = Parameter("golden", "golden set: a path on the volume, or a reference with its digest", setting="golden")
SOURCES = Parameter("sources", "trace files, folders or URIs beside the configured ones, separated by commas", setting="sources")
OF_TRAINING = (
    WINDOW_DAYS,
    Parameter("method", "preference pairs (dpo) or judged samples (grpo)", setting="method", options=("dpo", "grpo")),
    Parameter(
        "trainer",
        "trl: one pod; nemo-rl: many nodes, where there are any; both go on from their last checkpoint",
        setting="trainer",
        options=("trl", "nemo-rl"),
        requires={"nemo-rl": MANY_NODES},
    ),
    Parameter("base_model", "folder on the volume or Hugging Face id to train from; empty: the champion", setting="base_model"),
    Parameter("max_cost_usd", "a training whose estimate is above this ends the run; 0: no limit", setting="max_cost_usd"),
    GOLDEN,
    SOURCES,
)


def _without(*absent: Node) -> tuple[Node, ...]:
    """The loop without some of its nodes."""
    return tuple(node for node in LOOP if node not in absent)


def _single(step: str, *parameters: Parameter) -> tuple[Node, ...]:
    """One step that takes all parameters of its workflow."""
    return (Step(name=step, step=step, inputs=bind(**{item.name: f"run.{item.name}" for item in parameters})),)


_ERASE = (
    Parameter("user_hash", "the user's keyed hash, 64 hex digits (`ctp erase --hash-only` prints it)", None),
    Parameter("requested_by", "who asked for it, for the record", None),
)
_MAINTAIN = (Parameter("today", "the day that retention counts from, as in 2026-05-01; empty: today"),)
_BACKTEST = (
    Parameter("policy", 'the values that change, as JSON: {"label": {"weights": {"judge": 0.6}}}', None),
    Parameter("days", "how many days back", "30"),
    Parameter("sample", "at most this many traces", "500"),
)
_REVIEW = (Parameter("quarter", "the quarter, as in 2026-Q2; empty: the one before today's"),)
_BACKFILL = (
    Parameter("since", "first day, as in 2026-05-01", None),
    Parameter("until", "last day, as in 2026-05-31", None),
    SOURCES,
    Parameter("undated", "what happens to files whose path names no day", "skip", options=("skip", "read")),
)

WORKFLOWS: tuple[Workflow, ...] = (
    Workflow(
        "continuous-training",
        "Ingest, govern, label and curate new traces; after an approval train a candidate and compare it with the champion; "
        "after another approval release it.",
        LOOP,
        OF_TRAINING,
        exit=RECORD_OUTCOME,
    ),
    Workflow(
        "trace-ingest",
        "Bring every trace file that no earlier run has committed into the lake; a second run finds nothing.",
        (INGEST, GOVERN),
        (SOURCES,),
        exit=RECORD_OUTCOME,
    ),
    Workflow(
        "reward-label",
        "Label the traces of the window with Ragas and the judge; what has a label is not asked again.",
        (
            Step(name="check-params", step="check-params", inputs=bind(window_days="run.window_days")),
            Step(name="resolve", step="resolve", needs=("check-params",), inputs=bind(golden="run.golden")),
            LABEL,
        ),
        (WINDOW_DAYS, GOLDEN),
        stands_for={"govern.traces": "resolve.traces"},
        exit=RECORD_OUTCOME,
    ),
    Workflow(
        "train-and-release",
        # Labelling is part of it, since it finds nothing to do when all traces have their labels.
        "Train, gate and release on the traces that the lake holds now; reads no new trace files.",
        _without(INGEST, GOVERN),
        OF_TRAINING,
        stands_for={"govern.traces": "resolve.traces"},
        exit=RECORD_OUTCOME,
    ),
    Workflow(
        "backfill",
        "Bring the trace files of a range of days into the lake; what is there already is not read again.",
        (*_single("backfill", *_BACKFILL), GOVERN),
        _BACKFILL,
        stands_for={"ingest.plan": "backfill.plan", "ingest.unit_ids": "backfill.unit_ids"},
        exit=RECORD_OUTCOME,
    ),
    Workflow(
        "model-evaluation",
        "Compare the champion with the version that it replaced; fails when the champion no longer passes the gate.",
        (
            Step(name="resolve", step="resolve", inputs=bind(golden="run.golden")),
            Step(
                name="gate",
                step="gate",
                needs=("resolve",),
                # A champion that has replaced nothing has nothing to be compared with.
                when=(Condition("resolve.previous", differs=""),),
                inputs=bind(
                    champion="resolve.previous_artifact",
                    candidate="resolve.champion_artifact",
                    golden="resolve.golden",
                    champion_url="run.champion_url",
                    candidate_url="run.candidate_url",
                ),
            ),
            check("gate-verdict", "gate"),
        ),
        (GOLDEN,),
        exit=RECORD_OUTCOME,
    ),
    Workflow(
        # It takes the keyed hash, never the id: parameters stay readable as long as their workflow.
        "erase-user",
        "Take one user's data out of the lake, down to the bytes, and keep it out.",
        _single("erase", *_ERASE),
        _ERASE,
        exit=RECORD_OUTCOME,
    ),
    Workflow(
        "table-maintenance",
        "Retention, compaction of closed days, snapshot expiry and deletion of files that no snapshot refers to.",
        _single("maintain", *_MAINTAIN),
        _MAINTAIN,
        exit=RECORD_OUTCOME,
    ),
    Workflow(
        "reward-backtest",
        "Try a changed reward policy on past traces and compare; no label changes.",
        _single("backtest", *_BACKTEST),
        _BACKTEST,
        exit=RECORD_OUTCOME,
    ),
    Workflow(
        "release-reconcile",
        "Make Git pin, agent manifest and champion alias agree with what the Rollout ended as.",
        _single("reconcile"),
        exit=RECORD_OUTCOME,
        # Every minute some core seconds: a record of each would fill the lake and say nothing.
        records="failures",
    ),
    Workflow(
        "cost-review",
        "Bill of a quarter by month and stage, dollars for +0.01 faithfulness with an interval, and what is left of the budget.",
        _single("cost-review", *_REVIEW),
        _REVIEW,
        exit=RECORD_OUTCOME,
    ),
)


def find_workflow(name: str) -> Workflow:
    """The workflow of a name.

    Raises:
        KeyError: there is none.
    """
    return {workflow.name: workflow for workflow in WORKFLOWS}[name]
