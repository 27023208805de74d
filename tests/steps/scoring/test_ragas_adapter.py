"""Our client under Ragas' classes against Ragas with its own client: the same judge, the same scores."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from steps.scoring.metrics import Scorer
from steps.scoring.ragas_adapter import CachedPrompt, _schema, checked, load_ragas

CASES = [
    ("Which port does Silver Falcon use?", "Silver Falcon listens on port 8443. It is owned by team Heron."),
    ("Which port does Silver Falcon use?", "It depends."),
    ("Who owns Silver Falcon?", "Team Lynx owns it."),
    ("실버팔콘의 포트는?", "8443 포트입니다."),
]
CONTEXTS = ["Silver Falcon listens on port 8443.", "Silver Falcon is owned by team Lynx.", "실버팔콘은 8443 포트를 사용합니다."]


def test_cached_prompt_renders_what_ragas_renders():
    load_ragas()
    from ragas.metrics.collections.faithfulness.util import NLIStatementInput, NLIStatementPrompt

    prompt, data = NLIStatementPrompt(), NLIStatementInput(context='a "quoted"\ncontext', statements=["one", "두"])
    cached = CachedPrompt(prompt).to_string(data)
    assert cached == prompt.to_string(data)
    assert cached.statements == 2


def test_schema_allows_only_zero_and_one():
    load_ragas()
    from ragas.metrics.collections.faithfulness.util import NLIStatementOutput

    assert _schema(NLIStatementOutput)["$defs"]["StatementFaithfulnessAnswer"]["properties"]["verdict"]["enum"] == [0, 1]


def verdicts(*values):
    return SimpleNamespace(statements=[SimpleNamespace(verdict=value) for value in values])


@pytest.mark.parametrize(("answer", "statements"), [(verdicts(2), 1), (verdicts(-1), 1), (verdicts(1), 2), (verdicts(), 0)])
def test_ranges_and_counts_are_checked(answer, statements):
    with pytest.raises(ValueError, match="statements|range"):
        checked(answer, statements)


def test_a_blank_question_is_refused():
    with pytest.raises(ValueError, match="blank"):
        checked(SimpleNamespace(question="  ", noncommittal=0), 0)
    assert checked(verdicts(0, 1), 2)


async def stock_scores(url: str) -> list[tuple[float, float, float]]:
    """Scores from Ragas' own stack."""
    from openai import AsyncOpenAI
    from ragas.embeddings.base import embedding_factory
    from ragas.llms import llm_factory
    from ragas.metrics.collections import AnswerRelevancy, ContextPrecisionWithoutReference, Faithfulness

    async with AsyncOpenAI(base_url=url, api_key="none") as client:
        llm = llm_factory("lexical-entailment-coverage", provider="openai", client=client)
        embeddings = embedding_factory("openai", model="lexical-hash-512", client=client)
        faithfulness, relevancy = Faithfulness(llm=llm), AnswerRelevancy(llm=llm, embeddings=embeddings)
        precision = ContextPrecisionWithoutReference(llm=llm)
        return [
            (
                (await faithfulness.ascore(user_input=question, response=answer, retrieved_contexts=CONTEXTS)).value,
                (await relevancy.ascore(user_input=question, response=answer)).value,
                (await precision.ascore(user_input=question, response=answer, retrieved_contexts=CONTEXTS)).value,
            )
            for question, answer in CASES
        ]


async def our_scores(config) -> list[tuple[float | None, float | None, float | None]]:
    async with Scorer(config, ("faithfulness", "answer_relevancy", "context_precision")) as scorer:
        found = [await scorer.score(question, CONTEXTS, answer) for question, answer in CASES]
    return [(scores.faithfulness, scores.answer_relevancy, scores.context_precision) for scores in found]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_scores_equal_those_of_stock_ragas(lab, judge_url):
    load_ragas()
    ours = asyncio.run(our_scores(lab.judge_config(judge_url)))
    for mine, stock in zip(ours, asyncio.run(stock_scores(judge_url)), strict=True):
        assert mine == pytest.approx(stock, abs=1e-6)
    assert len(set(ours)) > 2
