"""The gate step: compares candidate and champion on the golden set and decides."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import Field

from steps.contract.config import JudgeConfig
from steps.contract.refs import ArtifactRef, Frozen
from steps.contract.spec import Phase, StepContext
from steps.gate.metrics import measure
from steps.gate.record import artifact, examples, read_settled, verdict_key, write_verdict
from steps.gate.scoring import Scored, distinct, score_answers
from steps.gate.servers import model_urls
from steps.gate.suite import Answer, Arm, ask_both
from steps.gate.verdict import decide
from steps.scoring.drift_check import check_judge
from steps.scoring.metrics import GATE_METRICS, Scorer
from steps.scoring.offline_judge import reachable_judge
from steps.store.golden import GoldenSet, read_golden


class Params(Frozen):
    """Both models, the golden set, and where the models are served (empty: started here)."""

    champion: ArtifactRef = Field(description="files of the model that serves")
    candidate: ArtifactRef = Field(description="files of the model that may replace it")
    golden: ArtifactRef = Field(description="golden set with its digest")
    champion_url: str = Field(default="", description="base URL of a server of the champion; empty: the step starts one")
    candidate_url: str = Field(default="", description="base URL of a server of the candidate; empty: the step starts one")


class Result(Frozen):
    """The decision."""

    phase: Phase = Field(description="a failed gate is a result, not an error")
    reason: str = Field(description="what decided it, one line")
    metrics: dict[str, dict[str, Any]] = Field(
        description="metric -> champion, candidate, delta, ci95, n (prompts), unit, better, independent"
    )
    findings: list[dict[str, Any]] = Field(description="one entry for each rule: name, value, limit, interval, n, power, ok, reason")
    verdict: ArtifactRef = Field(description="JSON file with all of this and its inputs")
    examples: list[dict[str, Any]] = Field(description="up to six questions with both answers")
    reused: bool = Field(default=False, description="the same inputs were judged before")
    judge_shift: float = Field(
        default=0.0, description="change of the gate judge's mean score against its record, 0-1; 0 without stored answers"
    )


def run(params: Params, ctx: StepContext) -> Result:
    """Ask both models, score the answers with the gate's judge, decide, write the verdict.

    Raises:
        DataError: the golden set or a model is not what its reference says.
        ConfigError, AccessError, TransientError: a server cannot be used.
    """
    golden = read_golden(params.golden)
    path = ctx.artifacts / "verdicts" / f"{verdict_key(params.champion, params.candidate, golden, ctx.config)}.json"
    document = read_settled(path)
    reused = document is not None
    if document is None:
        document = _evaluate(params, golden, ctx, path)
    shown = {name: document[name] for name in ("phase", "reason", "metrics", "findings", "examples")}
    shift = next((finding["value"] for finding in document["findings"] if finding["name"] == "gate_judge_drift"), None)
    return Result(**shown, verdict=artifact(path), reused=reused, judge_shift=shift or 0.0)


def _evaluate(params: Params, golden: GoldenSet, ctx: StepContext, path: Path) -> dict[str, Any]:
    """Measure and decide; returns the written document."""
    models: dict[Arm, ArtifactRef] = {"champion": params.champion, "candidate": params.candidate}
    own_urls: dict[Arm, str] = {"champion": params.champion_url, "candidate": params.candidate_url}
    with model_urls(models, own_urls, ctx) as urls:
        answers = asyncio.run(_ask(golden, urls, ctx))
    with reachable_judge(ctx.config.gate_judge, ctx.workdir / "logs" / "gate-judge.log") as judge:
        scored = asyncio.run(_score(golden, answers, judge, ctx))
    drift = (check_judge(golden, "gate", ctx),) if ctx.config.gate.drift_prompts else None
    measured = replace(measure(golden, answers, scored.values, ctx.config.gate), drift=drift)
    facts = {
        "served": {arm: own_urls[arm] or "started by the gate" for arm in models},
        "champion": str(params.champion),
        "candidate": str(params.candidate),
        "golden": str(params.golden),
        "answers": len(answers),
        "unanswered": sum(bool(answer.error) for answer in answers),
        "judge": {
            "model": judge.model,
            "prompt_version": judge.prompt_version,
            "drift": drift and drift[0].model_dump(),
            "judged": scored.judged,
            "calls": scored.calls,
        },
        "first_judge_error": scored.first_error,
        "gate": ctx.config.gate.model_dump(mode="json"),
        "examples": examples(golden, answers, scored),
    }
    return write_verdict(path, decide(measured, ctx.config.gate), measured, facts)


async def _ask(golden: GoldenSet, urls: dict[Arm, str], ctx: StepContext) -> list[Answer]:
    total = 2 * len(golden.items) * ctx.config.gate.samples_asked
    with ctx.progress.task("asking both models", total=total, unit="answers") as task:
        return await ask_both(golden, urls, ctx.config.model_name, ctx.config.gate, on_answer=lambda: task.advance(1))


async def _score(golden: GoldenSet, answers: list[Answer], judge: JudgeConfig, ctx: StepContext) -> Scored:
    with ctx.progress.task("judging answers", total=len(distinct(answers, ctx.config.gate.samples_per_prompt)), unit="answers") as task:
        async with Scorer(judge, metrics=GATE_METRICS) as scorer:
            samples = ctx.config.gate.samples_per_prompt
            return await score_answers(golden, answers, scorer, judge.concurrency, samples=samples, on_scored=lambda: task.advance(1))
