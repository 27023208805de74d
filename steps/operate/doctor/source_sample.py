"""Trial of a source: what share of a sample becomes rows, what is missing, and which setting would mend it. Nothing is written."""

from __future__ import annotations

import tempfile
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from steps.chat.assemble import assemble
from steps.chat.trace import Trace
from steps.contract.config import PipelineConfig
from steps.govern.gates import claims_gates
from steps.govern.parts import Parts, read_into
from steps.ingest.langfuse_api.pull import pull_source
from steps.ingest.langfuse_api.source import SCHEME
from steps.store.raw_objects import RawObject, list_source

MAX_OBJECTS = 20
MAX_TRACES = 2_000
API_SAMPLE_S = 20
_REMEDIES = {
    "consent-none": "set ctp.consent (train, eval or none) on the root span",
    "consent-unlisted-key": "write the consent under a key that docs/traces.md lists",
    "consent-unknown": "write train, eval or none as consent",
    "region-missing": "set ctp.region on the root span, or govern.region_default",
    "region-not-allowed": "add the region to govern.allowed_regions, if its data may be used",
    "class-missing": "set ctp.confidentiality on the root span, or govern.confidentiality_default",
    "no-input": "switch on the capture of contents in the instrumentation",
    "no-answer": "switch on the capture of contents in the instrumentation",
    "no-generation": "no span of these traces is a model call: is the model's client instrumented?",
    "unknown-format": "see docs/traces.md for the formats that are read",
}


def try_source(config: PipelineConfig, source: str) -> dict[str, Any]:
    """Read a sample of a source and count what would become of it.

    Args:
        config: what the gates allow.
        source: folder, file, s3:// prefix or langfuse://HOST/PROJECT, of which some seconds' worth is read into a folder that goes again.

    Returns:
        `objects` (read, of how many), `traces`, `rows` (that would pass the claims' gates), `share` (rows of traces, 0-1),
        `tools` and `users` (share of rows that have them), `refused` and `unreadable` (counts by reason), `remedies`.

    Raises:
        DataError: the source does not exist.
        AccessError: it may not be read.
        TransientError: the API does not answer.
    """
    if not source.startswith(SCHEME):
        return _try_objects(config, list_source(source).objects)
    with tempfile.TemporaryDirectory() as folder:
        settings = config.ingest.model_copy(update={"langfuse_pull_s": API_SAMPLE_S})
        pages = pull_source(source, folder, datetime.now(UTC), settings).folder
        return _try_objects(config, list_source(pages).objects if pages else [])


def _try_objects(config: PipelineConfig, objects: list[RawObject]) -> dict[str, Any]:
    """Count what would become of the newest objects."""
    parts = Parts()
    read = 0
    for item in sorted(objects, key=lambda item: item.last_modified, reverse=True)[:MAX_OBJECTS]:
        read_into(parts, item, lambda trace_id: trace_id in parts.spans or len(parts.spans) < MAX_TRACES)
        read += 1
    refused: Counter[str] = Counter()
    passed: list[Trace] = []
    for trace_id in parts.trace_ids:
        spans = parts.joined_spans(trace_id)
        if not spans:
            continue
        result = assemble(spans, parts.scores.get(trace_id, ()), trust_prompts=config.ingest.contexts_in_prompts, rules=config.feedback)
        if isinstance(result, str):
            refused[result] += 1
        elif (refusal := claims_gates(result, config.govern)) is not None:
            refused[refusal.rule + (f" ({refusal.detail})" if refusal.detail else "")] += 1
        else:
            passed.append(result)
    unreadable = Counter(place.reason for place in parts.unreadable)
    traces = len(passed) + sum(refused.values())
    reasons = {reason.split(" ")[0] for reason in (*refused, *unreadable)}
    return {
        "objects": f"{read} of {len(objects)}",
        "traces": traces,
        "rows": len(passed),
        "share": round(len(passed) / traces, 4) if traces else 0.0,
        "tools": _share(passed, lambda trace: any(call.tools for call in trace.generations)),
        "users": _share(passed, lambda trace: bool(trace.user_id)),
        "answers": _share(passed, lambda trace: trace.answer_source != "none"),
        "refused": dict(refused.most_common()),
        "unreadable": dict(unreadable.most_common()),
        "remedies": {reason: _REMEDIES[reason] for reason in sorted(reasons) if reason in _REMEDIES},
    }


def _share(traces: list[Trace], holds: Any) -> float:
    return round(sum(1 for trace in traces if holds(trace)) / len(traces), 4) if traces else 0.0
