"""Our scorer against stock Ragas (its own client stack), on the same traces and the same offline judge."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from bench.row import Row
from steps.cluster.process import ServerProcess
from steps.contract.config import JudgeConfig, PipelineConfig
from steps.scoring.metrics import Case, Scorer, score_many
from steps.scoring.ragas_adapter import load_ragas

TRACES = 40
ROUNDS = 3
IN_FLIGHT = 64
METRICS = ("faithfulness", "answer_relevancy", "context_precision")
STOCK_REQUESTS = 2 + 3 + 2 + 3
"""Per trace: two for faithfulness, three questions and two embeddings for relevancy, one a context for precision."""

Values = dict[str, tuple[float, ...]]


def cases(round_number: int) -> list[Case]:
    """Traces with three contexts each; no two alike, so that nothing is answered from memory."""
    made = []
    for number in range(TRACES):
        name, port = f"Silver Falcon {round_number}-{number}", 8000 + number
        contexts = (f"{name} listens on port {port}.", f"{name} is owned by team Lynx.", "Brisk Otter runs in region Ohio.")
        answer = f"According to the context, {name} listens on port {port + number % 2}. {name} is owned by team Lynx."
        made.append(Case(str(number), f"Which port does {name} use?", contexts, answer))
    return made


async def ours(config: JudgeConfig, work: list[Case]) -> tuple[float, int, Values]:
    """(CPU seconds of this process, requests sent, values)."""
    values: Values = {}
    async with Scorer(config, METRICS) as scorer:
        began = time.process_time()
        await score_many(scorer, work, lambda case, scores: values.update({case.key: tuple(getattr(scores, name) for name in METRICS)}))
        return time.process_time() - began, scorer.client.calls, values


async def stock(config: JudgeConfig, work: list[Case]) -> tuple[float, int, Values]:
    """The same with Ragas' metrics over `llm_factory` and the openai client."""
    from openai import AsyncOpenAI
    from ragas.embeddings.base import embedding_factory
    from ragas.llms import llm_factory
    from ragas.metrics.collections import AnswerRelevancy, ContextPrecisionWithoutReference, Faithfulness

    values: Values = {}
    slots = asyncio.Semaphore(IN_FLIGHT // len(METRICS))
    async with AsyncOpenAI(base_url=config.base_url, api_key="none") as client:
        llm = llm_factory(config.model, provider="openai", client=client)
        embeddings: Any = embedding_factory("openai", model=config.embedding_model, client=client)
        faithfulness, relevancy = Faithfulness(llm=llm), AnswerRelevancy(llm=llm, embeddings=embeddings)
        precision = ContextPrecisionWithoutReference(llm=llm)

        async def one(case: Case) -> None:
            asked: dict[str, Any] = {"user_input": case.question, "response": case.answer}
            contexts: dict[str, Any] = {"retrieved_contexts": list(case.contexts)}
            async with slots:
                found = await asyncio.gather(
                    faithfulness.ascore(**asked, **contexts), relevancy.ascore(**asked), precision.ascore(**asked, **contexts)
                )
            values[case.key] = tuple(result.value for result in found)

        began = time.process_time()
        await asyncio.gather(*(one(case) for case in work))
        return time.process_time() - began, STOCK_REQUESTS * len(work), values


def _difference(one: Values, other: Values) -> float:
    """Largest difference of two sets of scores."""
    return max(abs(a - b) for key in one for a, b in zip(one[key], other[key], strict=True))


def measure() -> list[Row]:
    """Time both in turn, three times, against one judge process. CPU is the client's alone."""
    load_ragas()
    per_request: dict[str, list[float]] = {"ours": [], "stock": []}
    per_trace: dict[str, list[float]] = {"ours": [], "stock": []}
    difference = 0.0
    with tempfile.TemporaryDirectory() as folder, ServerProcess("judge", {}, log_file=Path(folder) / "judge.log") as server:
        config = PipelineConfig().reward_judge.model_copy(update={"base_url": server.wait_healthy().url + "/v1"})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for number in range(ROUNDS + 1):
                work, found = cases(number), {}
                for name, run in (("ours", ours), ("stock", stock)):
                    seconds, requests, found[name] = asyncio.run(run(config, work))
                    if number:  # the first round warms both up
                        per_request[name].append(1000 * seconds / requests)
                        per_trace[name].append(1000 * seconds / len(work))
                difference = max(difference, _difference(found["ours"], found["stock"]))
    mine, theirs = (statistics.median(per_request[name]) for name in ("ours", "stock"))
    trace, stock_trace = (statistics.median(per_trace[name]) for name in ("ours", "stock"))
    return [
        Row(name="client CPU per judge request", value=mine, unit="ms", baseline=f"stock Ragas {theirs:.2f} ms", target="", ok=None),
        Row(
            name="client CPU per request, ratio",
            value=mine / theirs,
            unit="x",
            baseline="stock Ragas",
            target="<= 0.1",
            ok=mine / theirs <= 0.1,
        ),
        Row(name="client CPU per trace", value=trace, unit="ms", baseline=f"stock Ragas {stock_trace:.1f} ms", target="", ok=None),
        Row(
            name="largest score difference", value=difference, unit="score", baseline="stock Ragas", target="<= 1e-6", ok=difference <= 1e-6
        ),
    ]


if __name__ == "__main__":
    import sys

    from bench.run import main

    sys.exit(main(["labelling"]))
