"""What an answer claims: its sentences without preamble, split into what is new and what repeats the question."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from steps.serve.judge.lexical.lexicon import END_WORDS
from steps.serve.judge.lexical.passages import Sentence, sentence_of, split_sentences
from steps.serve.judge.lexical.tokens import WORD, Token, fold

ASKED = " ⟨asked⟩ "
"""Stands between a statement and the question it answers; removed from user text."""

_MAX_TEXT = 40_000
_MAX_STATEMENTS = 200
_SOURCE = (
    r"(?:the|this|your|our)?\s*(?:provided|given|retrieved|above)?\s*"
    r"(?:context|information|passage|text|document|knowledge|source)s?(?:\s+(?:provided|given|above))?"
)
_PREAMBLE = re.compile(
    rf"^\W*(?:(?:according to|based on|as per|as stated in|from|given)\s+{_SOURCE}\s*[,:]?\s+"
    r"|(?:i(?:'d| would)? (?:think|believe|guess|suppose|assume|say)(?:\s+that)?|in my opinion|it seems(?: that)?|as far as i know"
    r"|probably|perhaps|maybe|sure|well"
    r"|(?:so,? )?the (?:correct |right |final |short )?answer (?:is|would be|should be|seems to be))\s*[,:]?\s+)+",
    re.IGNORECASE,
)
_POSTSCRIPT = re.compile(
    rf"(?:\s*[,;(]?\s*(?:based on|according to|as per|as (?:stated|mentioned|described|given) in)\s+{_SOURCE}\)?"
    r"|\s+is the (?:correct |right )?answer)(?=\W*$)",
    re.IGNORECASE,
)
_REFUSAL = re.compile(
    r"\b(?:i (?:do not|don't|cannot|can't|could not|couldn't) (?:know|say|answer|tell|find|help|provide)"
    r"|i(?:'m| am) (?:not (?:sure|certain|aware|able)|unable|sorry)"
    r"|(?:it|that|this|which) (?:depends|varies)|no (?:information|idea|clue)"
    r"|not enough (?:information|context)|unable to (?:answer|determine|say)"
    r"|cannot be determined|as an ai|please (?:check|see|consult|refer|contact|ask)|check the (?:dashboard|documentation|docs))\b"
    r"|모르겠|알 수 없|확인할 수 없|죄송|경우에 따라|상황에 따라",
    re.IGNORECASE,
)
_POLAR = re.compile(r"^\W*(yes|no|true|false|correct|incorrect|네|예|아니요|아니오)\b", re.IGNORECASE)
_POSITIVE = ("yes", "true", "correct", "네", "예")
_ENDED = re.compile(r"[.!?;:。！？…]['\"”’)\]]*\s*$")
_DANGLING = re.compile(rf"\b(?:{'|'.join(END_WORDS)})$")


@dataclass(frozen=True, slots=True, eq=False)
class Claim:
    """One sentence of an answer, read against the question.

    Attributes:
        sentence: the analysed sentence.
        topic: the analysed question.
        new: content words that the question does not hold: what the claim adds.
        polar: True for a leading "yes", False for "no", None without either.
        refusal: the sentence declines to answer.
        cut: the sentence stops on a function word.
        ended: the sentence has an end mark.
    """

    sentence: Sentence
    topic: Sentence
    new: tuple[Token, ...]
    polar: bool | None
    refusal: bool
    cut: bool
    ended: bool

    @property
    def hard(self) -> frozenset[str]:
        """Names and numbers that the claim adds."""
        return frozenset(token.stem for token in self.new if token.kind != WORD)


def strip_preamble(text: str) -> str:
    """The text without "According to the context," and similar openings and endings, which claim nothing."""
    return _POSTSCRIPT.sub("", _PREAMBLE.sub("", " ".join(text.split()), count=1), count=1)


def is_refusal(text: str) -> bool:
    """True when the text declines to answer and gives nothing else of substance."""
    return bool(_REFUSAL.search(fold(text)))


@lru_cache(maxsize=8192)
def claim_of(text: str, question: str) -> Claim:
    """Read one sentence of an answer against the question."""
    body = strip_preamble(text)
    polar_match = _POLAR.match(body)
    polar = polar_match[1].lower() in _POSITIVE if polar_match else None
    if polar_match:
        body = body[polar_match.end() :].lstrip(" ,.;:-—")
    sentence, topic = sentence_of(body), sentence_of(question)
    new = tuple(token for token in sentence.tokens if token.stem not in topic.stems)
    cut = len(body.split()) > 1 and bool(_DANGLING.search(body.rstrip(".… ")))
    return Claim(sentence, topic, new, polar, is_refusal(text), cut, bool(_ENDED.search(body)))


def _clean(text: str) -> str:
    """At most `_MAX_TEXT` characters of user text, without the separator."""
    return text[:_MAX_TEXT].replace(ASKED.strip(), " ")


def statements_of(question: str, answer: str) -> list[str]:
    """Statements that stand alone: every sentence of the answer with the question it answers.

    Never empty: an answer of nothing but punctuation is one statement.
    """
    topic = " ".join(_clean(question).split())
    sentences = [strip_preamble(_clean(text)) for text in split_sentences(answer)]
    kept: list[str] = []
    for text in sentences:
        if kept and _is_aside(text):
            continue
        if kept and kept[-1].rstrip(" .,!").lower() in ("yes", "no"):
            kept[-1] = f"{kept[-1].rstrip(' .,!')}, {text}"
        else:
            kept.append(text)
    return [f"{text}{ASKED}{topic}" for text in kept[:_MAX_STATEMENTS] or [_clean(answer).strip() or "(nothing)"]]


def _is_aside(text: str) -> bool:
    """A sentence that claims nothing about the world ("I hope this helps!")."""
    return bool(re.match(r"^\W*(?:i hope|let me know|feel free|hope (?:this|that)|you(?:'re| are) welcome|thank)", text, re.IGNORECASE))


def split_statement(statement: str) -> tuple[str, str]:
    """A statement's text and question ("" when it was made elsewhere)."""
    text, mark, question = statement.rpartition(ASKED)
    return (text, question) if mark else (statement, "")


def asked_by(answer: str) -> str:
    """The question that an answer most likely answers: its first sentence, with the value at its end left open."""
    sentences = split_sentences(answer[:_MAX_TEXT])
    words = strip_preamble(sentences[0]).rstrip(" .!?").split() if sentences else []
    while len(words) > 3 and (words[-1][0].isdigit() or words[-1][0].isupper()):
        words.pop()
    return f"What about {' '.join(words)[:400] or 'that'}?"
