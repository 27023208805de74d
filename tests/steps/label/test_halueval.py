"""Quality on real questions: faithful answers of HaluEval above hallucinated ones, over the whole Ragas path."""

from __future__ import annotations

import asyncio
from itertools import product

import pytest

from steps.contract.config import PipelineConfig
from steps.scoring.metrics import Case, Scorer, score_many
from steps.scoring.reward import COMPONENTS, final_score, weighted

ROWS = 150


def order(good: float, bad: float) -> float:
    return (good > bad) + 0.5 * (good == bad)


@pytest.mark.parametrize("judge", ["reward_judge", "gate_judge"])
def test_faithful_answers_score_above_hallucinated_ones(lab, judge_url, judge):
    rows = lab.halueval_rows(ROWS)
    config = PipelineConfig()
    weights, found = config.label.weights, {}

    async def run():
        cases = [
            Case(f"{number} {kind}", row["question"], [row["knowledge"]], row[kind])
            for number, row in enumerate(rows)
            for kind in ("right_answer", "hallucinated_answer")
        ]
        url = getattr(config, judge).model_copy(update={"base_url": judge_url})
        async with Scorer(url, tuple(weighted(weights))) as scorer:
            await score_many(scorer, cases, lambda case, scores: found.update({case.key: scores}))

    asyncio.run(run())
    assert not [scores.error for scores in found.values() if scores.error]
    final = {key: final_score({name: getattr(scores, name) for name in COMPONENTS}, weights) for key, scores in found.items()}
    good, bad = ([final[f"{number} {kind}"] for number in range(len(rows))] for kind in ("right_answer", "hallucinated_answer"))
    pairs = sum(map(order, good, bad)) / len(rows)
    auroc = sum(order(*pair) for pair in product(good, bad)) / len(rows) ** 2
    assert pairs >= 0.90, f"the faithful answer wins in {pairs:.3f} of the pairs"
    assert auroc >= 0.92, f"AUROC {auroc:.3f}"
