"""Claims of a trace's spans about consent, region, class, user and session.

No tracing format has fields for the first three, so the module reads several names. It decodes a
value that is JSON text first: some SDKs write `"train"` with its quotes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from steps.chat.messages import decode_json
from steps.chat.span import Span

_PREFIXES = ("ctp.", "langfuse.trace.metadata.", "langfuse.observation.metadata.", "langfuse.metadata.", "metadata.", "")
_NAMES = {
    "consent": (
        "consent",
        "user_consent",
        "user.consent",
        "training_consent",
        "app.consent",
        "app.consent.training",
        "ctp.consent",
        "ctp_consent",
    ),
    "region": ("region", "data_region", "ctp.region", "ctp_region", "cloud.region"),
    "confidentiality": ("confidentiality", "confidentiality_class", "data_classification", "ctp.confidentiality", "ctp_confidentiality"),
}
_KEYS = {claim: frozenset(prefix + name for name in names for prefix in _PREFIXES) for claim, names in _NAMES.items()}
_METADATA = ("langfuse.trace.metadata", "langfuse.observation.metadata", "langfuse.metadata", "metadata")
METADATA_KEYS = tuple(
    sorted({f"{front}{key}" for front in ("", "attributes.") for key in _METADATA} | {n for v in _NAMES.values() for n in v})
)
"""Keys of a Langfuse row's metadata whose values hold claims and may be long."""
_TAGS = ("langfuse.trace.tags", "langfuse.tags", "tag.tags", "tags")
_CONSENT = dict.fromkeys(("train", "training", "true", "granted", "opt_in", "opt-in", "yes"), "train") | {
    "eval": "eval",
    "evaluation": "eval",
}
_REFUSED = frozenset({"none", "false", "no", "denied", "refused", "withdrawn", "revoked", "opt_out", "opt-out", "0"})
CONSENT_ORDER = ("unknown", "none", "eval", "train")
CLASS_ORDER = ("public", "internal", "confidential", "restricted", "unknown")


def as_word(value: Any) -> str:
    """A claimed value as one lower-case word: JSON decoded, lists joined, quotes gone."""
    value = decode_json(value)
    if isinstance(value, list):
        value = ",".join(str(item) for item in value)
    return re.sub(r"[\s\x00-\x1f]+", " ", str(value)).strip().strip("\"'").casefold()[:64]


def _tags(attributes: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield name and value of tags of the form `name:value` or `name=value`."""
    for key in _TAGS:
        tags = decode_json(attributes.get(key))
        for tag in tags if isinstance(tags, (list, tuple)) else tags.split(",") if isinstance(tags, str) else ():
            match = re.fullmatch(r"\s*([\w.]+)\s*[:=]\s*(.+?)\s*", str(tag)[:256])
            if match:
                yield match[1].casefold(), match[2]


def claim_values(span: Span, claim: str) -> list[str]:
    """Every value that a span carries for a claim, from its attributes, metadata and tags."""
    attributes = span.attributes
    values = [as_word(attributes[key]) for key in _KEYS[claim] & attributes.keys() if attributes[key] not in (None, "")]
    for key in _METADATA:
        if key in attributes:
            metadata = decode_json(attributes[key])
            if isinstance(metadata, dict):
                values += [as_word(metadata[name]) for name in _NAMES[claim] if metadata.get(name) not in (None, "")]
    values += [as_word(value) for name, value in _tags(attributes) if name in _NAMES[claim]]
    return [value for value in values if value]


def consent_of(spans: Iterable[Span]) -> str:
    """The strictest consent of any span: "unknown" (no known word), "none", "eval" or "train"; "none" without any."""
    values = [value for span in spans for value in claim_values(span, "consent")]
    levels = {_CONSENT.get(value) or ("none" if value in _REFUSED else "unknown") for value in values}
    return next((level for level in CONSENT_ORDER if level in levels), "none")


def _resource_values(spans: Iterable[Span], names: tuple[str, ...]) -> list[str]:
    values = [as_word(span.resource[name]) for span in spans for name in names if span.resource.get(name) not in (None, "")]
    return [value for value in values if value]


def region_of(spans: list[Span]) -> str:
    """The region of all spans; several joined by "," when they differ, "" without any.

    Resource attributes count only when no span has a region: the app describes the data,
    the resource the machine.
    """
    values = [value for span in spans for value in claim_values(span, "region")]
    values = values or _resource_values(spans, ("ctp.region",)) or _resource_values(spans, ("cloud.region",))
    return ",".join(sorted(set(values)))


def confidentiality_of(spans: list[Span]) -> str:
    """The strictest class of any span; "unknown" for a word that is no class, "" without any."""
    values = [value for span in spans for value in claim_values(span, "confidentiality")]
    values = values or _resource_values(spans, ("ctp.confidentiality",))
    classes = {value if value in CLASS_ORDER else "unknown" for value in values}
    return next((level for level in reversed(CLASS_ORDER) if level in classes), "")


def first_text(spans: Iterable[Span], keys: tuple[str, ...]) -> str:
    """The first non-empty value under any of the keys, in the order of the spans."""
    for span in spans:
        for key in keys:
            value = span.attributes.get(key)
            if value not in (None, "", [], {}):
                value = decode_json(value)
                return value if isinstance(value, str) else str(value)
    return ""
