"""Search for personal data: recall by family, false alarms, hostile growth, and CPU against Presidio's own recognizers.

Values are generated (`personal_data.py`), with another seed at every run. Presidio stands in with every recognizer that
it loads for English, without a language model, so that both sides search by rules alone.
"""

from __future__ import annotations

import base64
import functools
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator

from bench.personal_data import Planted, covered, look_alikes, planted
from bench.row import Row
from steps.govern.pii import scan
from steps.govern.pii.mask import mask_trace

ROUNDS = 60
SMALL, LARGE = 1_000_000, 4_000_000
MIN_RECALL, MAX_FALSE_ALARMS, MAX_GROWTH, MAX_SECONDS = 0.98, 0.03, 5.0, 1.5
PRESIDIO_TEXTS = 200
_MIN_SECONDS = 0.05  # shorter times are noise
_UNITS = {
    "spaces after thanks": "Thanks" + " " * 200,
    "digits": "1",
    "digits and blanks": "1 ",
    "at signs": "a@",
    "iban parts": "DE89 3704 0044 ",
    "colons": ":",
    "schemes": "://a:b",
    "quotes": '\\"a":',
    "percent codes": "%41",
    "invisible": "a\u200b",
    "hangul": "김철수 ",
    "labels": "ssn: 12 phone ",
    "names": "my name is Aa ",
    "passwords": "password is ",
    "key blocks": "-----BEGIN PRIVATE KEY-----",
    "lone surrogates": "\ud800",
}


def _hostile(size: int, rng: random.Random) -> Iterator[tuple[str, str]]:
    for name, unit in _UNITS.items():
        yield name, (unit * (size // len(unit) + 1))[:size]
    yield "random base64", base64.b64encode(rng.randbytes(size * 3 // 4)).decode()
    yield "random signs", "".join(rng.choices("abcDEF0123456789 -.:@/_=()+", k=size))
    yield "random digits", "".join(rng.choices("0123456789 -.()", k=size))


def _cpu(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _search(text: str) -> None:
    try:
        scan.find(text)
    except scan.Overflow:
        return  # the text is refused: fail closed


def _spans(text: str) -> list[tuple[int, int]]:
    return [(finding.start, finding.end) for finding in scan.find(text)]


def _recall(items: list[Planted]) -> Iterator[Row]:
    total, hits = Counter(item.family for item in items), Counter(item.family for item in items if covered(item, _spans(item.text)))
    for family, count in sorted(total.items()):
        share = hits[family] / count
        yield Row(name=f"recall: {family}", value=share, unit="share", baseline=f"{count} values", target="", ok=None)
    share = hits.total() / total.total()
    yield Row(
        name="recall: all", value=share, unit="share", baseline=f"{len(items)} values", target=f">= {MIN_RECALL}", ok=share >= MIN_RECALL
    )


def _growth(seed: int) -> Iterator[Row]:
    ratios, seconds = {}, {}
    sizes = (_hostile(size, random.Random(seed + size)) for size in (SMALL + 1, SMALL, LARGE))  # the first warms the automata up
    for (name, first), (_, small), (_, large) in zip(*sizes, strict=True):
        _search(first)
        seconds[name] = _cpu(functools.partial(_search, large))
        ratios[name] = seconds[name] / max(_cpu(functools.partial(_search, small)), _MIN_SECONDS)
    worst, slowest = max(ratios, key=ratios.__getitem__), max(seconds, key=seconds.__getitem__)
    yield Row(
        name=f"growth 1 M to 4 M: {worst}",
        value=ratios[worst],
        unit="times",
        baseline=f"{len(ratios)} families",
        target=f"<= {MAX_GROWTH}",
        ok=ratios[worst] <= MAX_GROWTH,
    )
    yield Row(
        name=f"4 M characters: {slowest}",
        value=seconds[slowest],
        unit="CPU s",
        baseline=f"{len(ratios)} families",
        target=f"<= {MAX_SECONDS}",
        ok=seconds[slowest] <= MAX_SECONDS,
    )


def _presidio(texts: list[str], ours: float) -> Iterator[Row]:
    """CPU a text of Presidio's predefined recognizers; nothing without the extra `ner`."""
    try:
        import tldextract
        from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
        from presidio_analyzer.nlp_engine import NoOpNlpEngine
    except ImportError:
        return
    tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(suffix_list_urls=())  # it would fetch its list of domains
    registry = RecognizerRegistry(supported_languages=["en"])
    registry.load_predefined_recognizers(languages=["en"])
    registry.remove_recognizer("SpacyRecognizer")
    model = NoOpNlpEngine(models=[{"lang_code": "en", "model_name": "none"}])
    model.load()
    engine = AnalyzerEngine(registry=registry, nlp_engine=model, supported_languages=["en"])
    engine.analyze(texts[0], language="en")
    theirs = _cpu(lambda: [engine.analyze(text, language="en") for text in texts]) / len(texts)
    yield Row(
        name="Presidio's CPU",
        value=theirs / ours,
        unit="times ours",
        baseline="its recognizers for English",
        target=">= 3",
        ok=theirs >= 3 * ours,
    )


def measure() -> list[Row]:
    """Recall and false alarms of generated sets, growth on hostile texts, CPU."""
    seed = random.randrange(10**6)
    items, others = planted(seed, ROUNDS), look_alikes(seed, ROUNDS)
    texts = [item.text for item in items]
    scan.which(texts)
    rows = list(_recall(items))
    alarms = sum(bool(scan.find(item.text)) for item in others) / len(others)
    rows.append(
        Row(
            name="false alarms",
            value=alarms,
            unit="share",
            baseline=f"{len(others)} texts",
            target=f"<= {MAX_FALSE_ALARMS}",
            ok=alarms <= MAX_FALSE_ALARMS,
        )
    )
    left = sum(not mask_trace([text]).clean for text in texts) / len(texts)
    rows.append(
        Row(
            name="masked texts that a second search hits",
            value=left,
            unit="share",
            baseline=f"{len(texts)} texts",
            target="0",
            ok=left == 0,
        )
    )
    sample = random.Random(seed).sample(texts, PRESIDIO_TEXTS)
    ours = _cpu(lambda: [scan.find(text) for text in sample]) / len(sample)
    rows.append(Row(name="CPU a planted text", value=ours * 1e3, unit="ms", baseline="", target="", ok=None))
    harmless = [item.text for item in others]
    size = sum(map(len, harmless))
    rows.append(
        Row(
            name="first pass",
            value=size / _cpu(lambda: scan.which(harmless)) / 1e6,
            unit="M signs/s",
            baseline="look-alikes",
            target="",
            ok=None,
        )
    )
    rows += _presidio(sample, ours)
    rows += _growth(seed)
    return rows
