"""The rule tables as a recognizer of Presidio: its registry, analyzer and anonymizer read them like any other.

The gate itself calls `scan` and `mask`; this module is for whoever adds recognizers, a language model for names above
all. It needs the extra `ner`, and nothing else imports it.
"""

from __future__ import annotations

from typing import Any, get_args

from presidio_analyzer import AnalyzerEngine, EntityRecognizer, LocalRecognizer, RecognizerRegistry, RecognizerResult
from presidio_analyzer.nlp_engine import NoOpNlpEngine

from steps.contract.config.govern import PersonalKind
from steps.govern.pii.mask import find_all
from steps.govern.pii.scan import Finding

LANGUAGE = "xx"
"""A language of its own: the rules read all, so no text needs its language detected."""
ENTITIES = tuple(kind.upper() for kind in get_args(PersonalKind))
_NAME = "LinearRecognizer"
_SCORE = 1.0


class LinearRecognizer(LocalRecognizer):
    """The rule tables, in linear time; no language model's artifacts are needed.

    Args:
        language: the engine's language; results are the same in each.
    """

    def __init__(self, language: str = LANGUAGE) -> None:
        super().__init__(supported_entities=list(ENTITIES), supported_language=language, name=_NAME)

    def load(self) -> None:
        """Nothing to load: the tables compile when the first text comes."""

    def analyze(self, text: str, entities: list[str], nlp_artifacts: Any = None) -> list[RecognizerResult]:
        """Findings of the kinds in `entities`, of all kinds when it is empty.

        Raises:
            Overflow: too many candidates; refuse the text.
        """
        source = {RecognizerResult.RECOGNIZER_NAME_KEY: _NAME, RecognizerResult.RECOGNIZER_IDENTIFIER_KEY: self.id}
        return [
            RecognizerResult(finding.kind.upper(), finding.start, finding.end, _SCORE, recognition_metadata=dict(source))
            for finding in find_all(text)
            if not entities or finding.kind.upper() in entities
        ]


def analyzer(*others: EntityRecognizer) -> AnalyzerEngine:
    """Presidio's engine with the rule tables, without a language model.

    Args:
        others: further recognizers of the language `xx`, such as one that knows names by a model.
    """
    registry = RecognizerRegistry([LinearRecognizer(), *others], supported_languages=[LANGUAGE])
    model = NoOpNlpEngine(models=[{"lang_code": LANGUAGE, "model_name": "none"}])
    model.load()
    return AnalyzerEngine(registry=registry, nlp_engine=model, supported_languages=[LANGUAGE])


def analyze(engine: AnalyzerEngine, text: str) -> list[Finding]:
    """Findings of an engine in this package's shape, in the order of the text."""
    results = engine.analyze(text, language=LANGUAGE)
    return sorted((Finding(item.entity_type.lower(), item.start, item.end) for item in results), key=lambda item: (item.start, -item.end))
