"""Drift check: both judges score the golden set's stored answers, and the scores are held against their record.

A record belongs to one golden set and one judge (model, prompts, embedding model). It is an artifact beside the
verdicts, written once: `artifacts/judge-records/<key>.json`. A judge that was changed on purpose gets a model name
of its own, and with it a record of its own.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from steps.contract.config import JudgeConfig
from steps.contract.errors import ConfigError, DataError
from steps.contract.files import canonical_json, read_json, sha256_text, write_json
from steps.contract.refs import ArtifactRef
from steps.contract.spec import StepContext
from steps.scoring.drift import BAD, GOOD, Drift, References, Role, judge_drift
from steps.scoring.metrics import GATE_METRICS, Case, Scorer, Scores, score_many
from steps.scoring.offline_judge import reachable_judge
from steps.scoring.policy import judge_identity, ragas_version
from steps.scoring.reward import weighted
from steps.store.golden import GoldenSet, read_golden
from steps.store.lake import Lake

# In `runs`: one record for each run whose judges were checked.
STAGE = "judge-drift"
ROLES: tuple[Role, ...] = ("reward", "gate")


def check_before_labelling(golden_ref: ArtifactRef, ctx: StepContext, lake: Lake) -> tuple[Drift, ...]:
    """Stop a run whose gate could not decide in the end, before a label or a GPU is paid for.

    Raises:
        DataError: the golden set is not what its reference says, or has fewer questions than `gate.min_prompts`.
        ConfigError: a judge does not score the stored answers as it did, or cannot tell good from bad.
        AccessError, TransientError: a judge refuses or does not answer.
    """
    golden, gate = read_golden(golden_ref), ctx.config.gate
    if len(golden.items) < gate.min_prompts:
        count = f"{golden_ref.uri}: {len(golden.items)} golden questions, and the gate needs {gate.min_prompts} (gate.min_prompts)"
        raise DataError(f"{count}: add questions before training, or the gate decides nothing")
    drifts = tuple(check_judge(golden, role, ctx) for role in ROLES) if gate.drift_prompts else ()
    if drifts:
        payload = {"golden": golden.sha256, "judges": [drift.model_dump(mode="json") for drift in drifts]}
        lake.append_run_record(ctx.run_id, STAGE, payload, key=f"{STAGE}:{ctx.run_id}")
    for drift in drifts:
        if not drift.ok:
            raise ConfigError(f"{drift.reason}: serve the recorded judge again, or give a changed one a model name of its own")
    return drifts


def check_judge(golden: GoldenSet, role: Role, ctx: StepContext) -> Drift:
    """Score the stored answers with one judge and compare with its record; the first good scores become the record."""
    answers = stored_answers(golden, ctx.config.gate.drift_prompts)
    scores: References = {}
    if answers:
        with reachable_judge(_judge(role, ctx), ctx.workdir / "logs" / f"{role}-judge.log") as judge:
            scores = asyncio.run(_score(golden, answers, judge, _metrics(role, ctx), ctx))
    path = record_path(golden, role, ctx)
    drift = judge_drift(role, scores, read_json(path)["scores"] if path.is_file() else None, ctx.config.gate)
    if drift.recorded:
        write_json(path, {"golden": golden.sha256, "judge": _recorded_identity(role, ctx), "scores": scores})
    return drift


def stored_answers(golden: GoldenSet, limit: int) -> dict[str, tuple[int, str]]:
    """Key -> (index of the question, answer), for at most `limit` questions; always the same ones."""
    with_both = [number for number, item in enumerate(golden.items) if item.good and item.bad]
    chosen = sorted(with_both, key=lambda number: sha256_text(golden.items[number].id))[:limit]
    stored: dict[str, tuple[int, str]] = {}
    for number in sorted(chosen):
        item = golden.items[number]
        for kind, answers in ((GOOD, item.good), (BAD, item.bad)):
            stored |= {f"{kind}/{item.id}/{place}": (number, answer) for place, answer in enumerate(answers)}
    return stored


def record_path(golden: GoldenSet, role: Role, ctx: StepContext) -> Path:
    """Where a judge's first scores of this golden set are."""
    answers = sorted(stored_answers(golden, ctx.config.gate.drift_prompts))
    key = sha256_text(canonical_json([golden.sha256, answers, sorted(_metrics(role, ctx)), _recorded_identity(role, ctx)]))
    return ctx.artifacts / "judge-records" / f"{key[:16]}.json"


def _judge(role: Role, ctx: StepContext) -> JudgeConfig:
    return ctx.config.reward_judge if role == "reward" else ctx.config.gate_judge


def _recorded_identity(role: Role, ctx: StepContext) -> list[str | bool]:
    """What makes it this judge, with Ragas' version, which shapes every prompt."""
    return [*judge_identity(_judge(role, ctx)).values(), ragas_version()]


def _metrics(role: Role, ctx: StepContext) -> tuple[str, ...]:
    """What the judge is used for."""
    return tuple(weighted(ctx.config.label.weights)) if role == "reward" else GATE_METRICS


async def _score(
    golden: GoldenSet, answers: dict[str, tuple[int, str]], judge: JudgeConfig, metrics: tuple[str, ...], ctx: StepContext
) -> References:
    """Key -> metric -> score of every stored answer, in the order of the answers."""
    scores: dict[str, dict[str, float | None]] = {}
    questions = golden.items
    cases = [Case(key, questions[number].question, questions[number].contexts, answer) for key, (number, answer) in answers.items()]
    with ctx.progress.task("asking the judge about stored answers", total=len(cases), unit="answers") as task:

        def keep(case: Case, of_case: Scores) -> None:
            scores[case.key] = {metric: getattr(of_case, metric) for metric in metrics}
            task.advance(1)

        async with Scorer(judge, metrics=metrics) as scorer:
            await score_many(scorer, cases, keep)
    return {key: scores[key] for key in answers}
