"""Asking the judges about the stored answers of the golden set, and the record that today is held against.

A record belongs to one golden set and one judge (model, prompts, embedding model). It is an
artifact beside the verdicts, written once: `artifacts/judge-records/<key>.json`. A judge that
was changed on purpose gets a model name of its own, and with it a record of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from steps.cluster.process import ServerProcess
from steps.contract.config import JudgeConfig
from steps.contract.errors import ConfigError, DataError
from steps.contract.files import canonical_json, read_json, sha256_text, write_json
from steps.contract.refs import ArtifactRef
from steps.contract.spec import StepContext
from steps.scoring.drift import BAD, GOOD, Drift, References, Role, judge_drift
from steps.scoring.metrics import Case, Scorer, Scores, score_many
from steps.scoring.policy import ragas_version
from steps.scoring.reward import weighted
from steps.store.golden import GoldenSet, read_golden

if TYPE_CHECKING:
    from steps.store.lake import Lake

# In `runs`: one record for each run that looked.
STAGE = "judge-drift"
# What the gate's judge is asked about an answer.
JUDGED = ("faithfulness", "answer_relevancy")


@contextlib.contextmanager
def open_judge(ctx: StepContext, role: Role = "gate") -> Iterator[JudgeConfig]:
    """A judge's configuration; without a URL, the offline judge is started here and ends with the block."""
    config = _config(role, ctx)
    if config.base_url:
        yield config
        return
    with ServerProcess("judge", {}, log_file=ctx.workdir / "logs" / f"{role}-judge.log") as server:
        yield config.model_copy(update={"base_url": server.wait_healthy().url + "/v1"})


def check_before_labelling(golden: ArtifactRef, ctx: StepContext, lake: Lake) -> tuple[Drift, ...]:
    """Stop a run whose gate could not decide in the end, before a label or a GPU is paid for.

    Raises:
        DataError: the golden set is not what its reference says, or has fewer questions than `gate.min_prompts`.
        ConfigError: a judge does not score the stored answers as it did, or cannot tell good from bad.
        AccessError, TransientError: a judge refuses or does not answer.
    """
    found = read_golden(golden)
    if len(found.items) < ctx.config.gate.min_prompts:
        count = f"{golden.uri}: {len(found.items)} golden questions, and the gate needs {ctx.config.gate.min_prompts} (gate.min_prompts)"
        raise DataError(f"{count}: add questions before training, or the gate decides nothing")
    roles: tuple[Role, ...] = ("reward", "gate")
    drifts = tuple(check_judge(found, role, ctx) for role in roles) if ctx.config.gate.drift_prompts else ()
    if drifts:
        payload = {"golden": found.sha256, "judges": [drift.model_dump(mode="json") for drift in drifts]}
        lake.append_run_record(ctx.run_id, STAGE, payload, key=f"{STAGE}:{ctx.run_id}")
    for drift in drifts:
        if not drift.ok:
            raise ConfigError(f"{drift.reason}: serve the recorded judge again, or give a changed one a model name of its own")
    return drifts


def check_judge(golden: GoldenSet, role: Role, ctx: StepContext) -> Drift:
    """Score the stored answers with one judge and hold it against its record, which the first good time writes."""
    asked = stored_answers(golden, ctx.config.gate.drift_prompts)
    metrics = _metrics(role, ctx)
    now: References = {}
    if asked:
        with open_judge(ctx, role) as judge:
            now = asyncio.run(_score(golden, asked, judge, metrics, ctx))
    path = record_path(golden, role, ctx)
    drift = judge_drift(role, now, read_json(path)["scores"] if path.is_file() else None, ctx.config.gate)
    if drift.recorded:
        write_json(path, {"golden": golden.sha256, "judge": _identity(_config(role, ctx)), "scores": now})
    return drift


def stored_answers(golden: GoldenSet, limit: int) -> dict[str, tuple[int, str]]:
    """Key -> (index of the question, answer), for at most `limit` questions; always the same ones."""
    with_both = [number for number, item in enumerate(golden.items) if item.good and item.bad]
    chosen = sorted(with_both, key=lambda number: sha256_text(golden.items[number].id))[:limit]
    found: dict[str, tuple[int, str]] = {}
    for number in sorted(chosen):
        item = golden.items[number]
        for kind, answers in ((GOOD, item.good), (BAD, item.bad)):
            found |= {f"{kind}/{item.id}/{place}": (number, answer) for place, answer in enumerate(answers)}
    return found


def record_path(golden: GoldenSet, role: Role, ctx: StepContext) -> Path:
    """Where a judge's first scores of this golden set are."""
    asked = sorted(stored_answers(golden, ctx.config.gate.drift_prompts))
    key = sha256_text(canonical_json([golden.sha256, asked, sorted(_metrics(role, ctx)), _identity(_config(role, ctx))]))
    return ctx.artifacts / "judge-records" / f"{key[:16]}.json"


def _config(role: Role, ctx: StepContext) -> JudgeConfig:
    return ctx.config.reward_judge if role == "reward" else ctx.config.gate_judge


def _identity(judge: JudgeConfig) -> list[str | bool]:
    """What makes it this judge; where it listens does not."""
    return [judge.model, judge.prompt_version, judge.embedding_model, judge.enable_thinking, ragas_version()]


def _metrics(role: Role, ctx: StepContext) -> tuple[str, ...]:
    """What the judge is used for."""
    return tuple(weighted(ctx.config.label.weights)) if role == "reward" else JUDGED


async def _score(
    golden: GoldenSet, asked: dict[str, tuple[int, str]], judge: JudgeConfig, metrics: tuple[str, ...], ctx: StepContext
) -> References:
    found: dict[str, dict[str, float | None]] = {}
    questions = golden.items
    cases = [Case(key, questions[number].question, questions[number].contexts, answer) for key, (number, answer) in asked.items()]
    with ctx.progress.task("asking the judge about stored answers", total=len(cases), unit="answers") as task:

        def done(case: Case, scores: Scores) -> None:
            found[case.key] = {metric: getattr(scores, metric) for metric in metrics}
            task.advance(1)

        async with Scorer(judge, metrics=metrics) as scorer:
            await score_many(scorer, cases, done)
    return {key: found[key] for key in asked}
