"""Traces that must leave nothing behind, one or more for each gate, and one that may stay."""

from __future__ import annotations

import json
from pathlib import Path

from steps.contract.files import sha256_text

FINE = {"ctp.consent": "train", "ctp.region": "eu-west-1", "ctp.confidentiality": "internal"}
PLANTED: dict[str, dict[str, str]] = {
    "zebrafinch-noconsent": FINE | {"ctp.consent": "none"},
    "zebrafinch-strangeconsent": FINE | {"ctp.consent": "perhaps"},
    "zebrafinch-missingconsent": {key: value for key, value in FINE.items() if key != "ctp.consent"},
    "zebrafinch-region": FINE | {"ctp.region": "cn-north-1"},
    "zebrafinch-missingregion": {key: value for key, value in FINE.items() if key != "ctp.region"},
    "zebrafinch-confidential": FINE | {"ctp.confidentiality": "confidential"},
    "zebrafinch-missingclass": {key: value for key, value in FINE.items() if key != "ctp.confidentiality"},
    "zebrafinch-pii": FINE,
}
ALLOWED = "zebrafinch-allowed"


def _attribute(key: str, value: str) -> dict:
    return {"key": key, "value": {"stringValue": value}}


def _line(marker: str, tags: dict[str, str]) -> str:
    person = "Write to jane.roe@example.org. " if marker.endswith("pii") else ""
    question = f"{person}Which port does the {marker} use?"
    messages = [
        {"role": "user", "parts": [{"type": "text", "content": f"Context:\n- The {marker} listens on port 8443.\nQuestion: {question}"}]}
    ]
    answer = [{"role": "assistant", "parts": [{"type": "text", "content": f"The {marker} listens on port 8443."}]}]
    span = {
        "traceId": sha256_text(marker)[:32],
        "spanId": sha256_text(marker)[32:48],
        "name": "chat other-model",
        "kind": 2,
        "startTimeUnixNano": "1795000000000000000",
        "endTimeUnixNano": "1795000000500000000",
        "attributes": [
            _attribute("gen_ai.operation.name", "chat"),
            _attribute("gen_ai.request.model", "other-model"),
            _attribute("gen_ai.input.messages", json.dumps(messages)),
            _attribute("gen_ai.output.messages", json.dumps(answer)),
            *(_attribute(key, value) for key, value in tags.items()),
        ],
    }
    return json.dumps({"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [{"scope": {"name": "test"}, "spans": [span]}]}]})


def write_planted(path: Path) -> Path:
    """Write the planted traces as OTLP JSON lines, with one torn line at the end."""
    lines = [_line(marker, tags) for marker, tags in (PLANTED | {ALLOWED: FINE}).items()]
    path.write_text("\n".join(lines) + '\n{"resourceSpans": [{"zebrafinch-torn": ', encoding="utf-8")
    return path


def everything_written(workdir: Path) -> dict[str, bytes]:
    """Every file below the folder as searchable bytes; Parquet and Avro are decoded."""
    import fastavro
    import pyarrow.parquet as pq

    found = {}
    for path in sorted(item for item in workdir.rglob("*") if item.is_file()):
        content = path.read_bytes()
        if path.suffix == ".parquet":
            content += json.dumps(pq.read_table(path).to_pylist(), default=str, ensure_ascii=False).encode()
        if path.suffix == ".avro":
            with path.open("rb") as file:
                content += json.dumps(list(fastavro.reader(file)), default=str).encode()
        found[str(path.relative_to(workdir))] = content
    return found
