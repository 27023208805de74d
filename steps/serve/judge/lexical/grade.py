"""From the support of single claims to what a judge is asked for: verdicts, usefulness, a graded score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from steps.serve.judge.lexical import alignment, coverage
from steps.serve.judge.lexical.claims import Claim, claim_of, is_refusal, split_statement, statements_of
from steps.serve.judge.lexical.fit import fit
from steps.serve.judge.lexical.passages import Sentence, passage_of
from steps.serve.judge.lexical.tokens import Token

_MAX_CONTEXT_CHARS = 60_000
_RELEVANCE_SHARE = 0.3
_FIT_SHARE = 0.03
_BARE_WORDS = 4


@dataclass(frozen=True)
class Scorer:
    """One way to decide entailment.

    Attributes:
        name: the model name it is served under.
        support: how far a passage supports a claim, 0-1.
        verdict: the support from which a claim counts as entailed.
    """

    name: str
    support: Callable[[Claim, tuple[Sentence, ...]], float]
    verdict: float


SCORERS: dict[str, Scorer] = {
    module.NAME: Scorer(module.NAME, lru_cache(maxsize=8192)(module.support), module.VERDICT) for module in (coverage, alignment)
}


def verdicts(scorer: Scorer, context: str, statements: list[str]) -> list[tuple[float, int]]:
    """(support 0-1, verdict 0 or 1) of every statement, in order."""
    passage = passage_of(context[:_MAX_CONTEXT_CHARS])
    supports = [scorer.support(claim_of(*split_statement(statement)), passage) for statement in statements]
    return [(support, int(support >= scorer.verdict)) for support in supports]


def useful(question: str, context: str, answer: str) -> bool:
    """True when the context holds at least half of what the answer adds to the question."""
    passage = passage_of(context[:_MAX_CONTEXT_CHARS])
    words = frozenset().union(*(sentence.stems for sentence in passage))
    claims = [claim_of(*split_statement(statement)) for statement in statements_of(question, answer)]
    tokens = [token for claim in claims for token in claim.new] or [token for claim in claims for token in claim.sentence.tokens]
    return bool(tokens) and _share(tuple(tokens), words) >= 0.5


def graded(scorer: Scorer, question: str, contexts: list[str], answer: str) -> float:
    """Score of an answer, 0-1: supported, free of unsupported sentences, and about what was asked."""
    passage = passage_of("\n".join(contexts)[:_MAX_CONTEXT_CHARS])
    claims = [claim_of(*split_statement(statement)) for statement in statements_of(question, answer)]
    supports = [scorer.support(claim, passage) for claim in claims]
    score = 0.5 * min(supports) + 0.5 * sum(supports) / len(supports)
    if is_refusal(answer) and len(claims) == 1:
        return min(score, 0.1)
    return score * max(_relevance(claim, passage) for claim in claims)


def _share(tokens: tuple[Token, ...], stems: frozenset[str]) -> float:
    """Weighted share of distinct words that are in `stems`."""
    weights = {token.stem: token.weight for token in tokens}
    total = sum(weights.values())
    return sum(weight for stem, weight in weights.items() if stem in stems) / total if total else 0.0


def _relevance(claim: Claim, passage: tuple[Sentence, ...]) -> float:
    """Factor from 0.7 to 1: how much of the question the claim's evidence holds, against the best sentence there is.

    A bare value is judged by its kind and place instead, and mildly: its link to the question may need two steps.
    """
    if not claim.new or not passage:
        return 1.0
    if len(claim.new) == len(claim.sentence.tokens) <= _BARE_WORDS:
        return 1.0 - _FIT_SHARE * (1.0 - fit(claim, passage))
    topic = claim.topic.tokens
    best = max(_share(topic, sentence.stems) for sentence in passage)
    nearest = max(passage, key=lambda sentence: _share(claim.sentence.tokens, sentence.stems))
    own = _share(topic, nearest.stems | claim.sentence.stems)
    ratio = min(1.0, own / best) if best else 1.0
    return 1.0 - _RELEVANCE_SHARE * (1.0 - ratio**2)
