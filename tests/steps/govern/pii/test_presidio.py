from __future__ import annotations

import subprocess
import sys

from presidio_analyzer import Pattern, PatternRecognizer

from steps.govern.pii import scan
from steps.govern.pii.presidio import ENTITIES, LANGUAGE, LinearRecognizer, analyze, analyzer

TEXT = "제 이름은 김철수입니다, mail bob@example.com"


def test_recognizer_gives_what_the_scan_finds():
    results = LinearRecognizer().analyze(TEXT, [])
    assert {(item.entity_type.lower(), item.start, item.end) for item in results} == {
        (item.kind, item.start, item.end) for item in scan.find(TEXT)
    }
    assert [item.entity_type for item in LinearRecognizer().analyze(TEXT, ["EMAIL"])] == ["EMAIL"]
    assert set(LinearRecognizer().get_supported_entities()) == set(ENTITIES)


def test_engine_needs_no_model_and_takes_other_recognizers():
    badge = PatternRecognizer("BADGE", patterns=[Pattern("badge", r"B-\d{3}", 1.0)], supported_language=LANGUAGE)
    kinds = {item.kind for item in analyze(analyzer(badge), f"{TEXT} B-123")}
    assert kinds == {"name", "email", "badge"}


def test_the_gate_runs_without_presidio():
    program = (
        "import sys; from steps.govern.pii.mask import mask_trace; mask_trace(['bob@example.com']);"
        "sys.exit(any(name.startswith(('presidio', 'spacy')) for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
