"""One trace through the lake: its parts, claims, gates, model calls, scores, label, datasets and models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from steps.contract.config import PipelineConfig
from steps.contract.errors import DataError
from steps.govern.identity import load_key, safe_id
from steps.store.lake import open_lake
from steps.store.registry import open_registry

if TYPE_CHECKING:
    from steps.store.lake import Lake

_TRACE = (
    *("trace_id", "source", "ts", "model_name", "model_version", "consent", "region", "confidentiality", "environment"),
    *("question", "answer", "answer_source", "feedback", "generations", "problems", "pii_masked", "input_tokens", "output_tokens"),
)
_CALL = (
    *("call_index", "agent", "step", "is_answer", "finish_reason", "model_answered", "input_tokens", "output_tokens", "problems"),
    "output_json",
)
_AMENDMENTS = {
    "parts": ("trace_parts", ("uri", "etag", "seen_at")),
    "claims": ("claims", ("consent", "region", "confidentiality", "withdrawn", "places", "at")),
    "gates": ("gate_ledger", ("gate", "rule", "action", "detail", "at")),
    "quarantine": ("quarantine", ("source_uri", "offset", "reason", "at")),
    "feedback": ("feedback", ("name", "value", "label", "source", "at")),
    "labels": ("labels", ("policy_version", "score", "status", "error", "content_hash")),
}


def tell_trace(config: PipelineConfig, workdir: Path, trace_id: str) -> dict[str, Any]:
    """What became of a trace, by its id as the source has it or as the lake stores it.

    Returns:
        `trace` (its row, or None), `generations`, `parts`, `claims`, `gates`, `quarantine`, `feedback`, `labels`, `datasets`
        (digests), `models` (name@version trained on them) and `hints` (what would let it pass).

    Raises:
        DataError: no table knows the trace, or there is no lake.
        ConfigError, AccessError: the key that hashes ids is missing or may not be read.
    """
    if config.lake.catalog == "sql" and not config.lake.uri and not (workdir / "lake" / "catalog.db").exists():
        # Looking must not make a lake, nor a key that hashes ids.
        raise DataError(f"{workdir}: no lake in this folder: name the folder of a run with --workdir")
    key = load_key(config.govern, workdir)
    ids = {trace_id, safe_id(key, trace_id)}
    with open_lake(config, workdir) as lake:
        story: dict[str, Any] = {"trace": next(iter(_rows(lake, "traces", _TRACE, ids)), None)}
        story["generations"] = _rows(lake, "generations", _CALL, ids)
        for name, (table, columns) in _AMENDMENTS.items():
            story[name] = _rows(lake, table, columns, ids)
        story["datasets"] = _datasets(lake, ids)
    if not any(story.values()):
        raise DataError(f"trace {trace_id[:128]}: no table of the lake knows it: it was never read, or retention has taken it out")
    client = open_registry(config, workdir) if story["datasets"] else None
    name = config.model_name
    versions = {version for digest in story["datasets"] if client for version in client.find_versions(name, "ctp.dataset-sha256", digest)}
    story["models"] = [f"{name}@{version}" for version in sorted(versions)]
    story["hints"] = _hints(story)
    return story


def _rows(lake: Lake, table: str, columns: tuple[str, ...], ids: set[str]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = lake.among(table, ("trace_id", *(name for name in columns if name != "trace_id")), ids).to_pylist()
    return [{name: row[name] for name in columns} for row in rows]


def _datasets(lake: Lake, ids: set[str]) -> list[str]:
    """Digests of the datasets that hold an answer of the trace."""
    digests: set[str] = set()
    for column in ("chosen_trace_id", "rejected_trace_id"):
        digests |= set(lake.among("datasets", (column, "dataset_digest"), ids).column("dataset_digest").to_pylist())
    return sorted(digests)


def _hints(story: dict[str, Any]) -> list[str]:
    """What would let the trace pass, where that is known."""
    hints = []
    for entry in story["gates"]:
        if entry["rule"] == "consent-unlisted-key":
            hints.append(f"consent stands under {entry['detail']}: write it under one of the keys in docs/traces.md")
        elif entry["rule"] == "consent-none":
            hints.append("no span, resource or tag says consent: set ctp.consent on the root span")
    if story["trace"] is not None and story["trace"]["answer_source"] == "none":
        hints.append("no call is the answer: the trace is kept, and not trained on")
    return hints
