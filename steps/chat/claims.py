"""Claims of a trace about consent, region, class, user and session, from all of its spans, deliveries and resources.

No tracing format has fields for the first three, so each SDK has a channel of its own: the listed prefixes name them.
A refusal counts under any prefix, a permission only under a listed one. The strictest claim wins.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from steps.chat.span import Span
from steps.chat.values import as_object, decode_json, decode_object

PREFIXES = (
    *("ctp.", "langfuse.trace.metadata.", "langfuse.observation.metadata.", "langfuse.metadata.", "ai.telemetry.metadata."),
    *("ai.settings.context.", "traceloop.association.properties.", "metadata.requester_metadata.", "metadata.spend_logs_metadata."),
    "litellm.metadata.",
    *(
        "metadata.",
        "genkit:metadata:context.",
        "gen_ai.metadata.",
        "langsmith.metadata.",
        "app.",
        "user.",
        "enduser.",
        "baggage.",
        "trace.",
    ),
    *("mlflow.trace.metadata.", "mastra.metadata.", "session."),
)
_OUTER = ("attributes.", "resourceAttributes.")
_BLOBS = frozenset(
    {"metadata", "langfuse.trace.metadata", "langfuse.observation.metadata", "langfuse.metadata", "metadata.requester_metadata"}
    | {"metadata.spend_logs_metadata", "genkit:metadata:context", "traceloop.association.properties", "ai.telemetry.metadata"}
    | {"langfuse.trace.metadata.context", "langfuse.trace.metadata.auth", "mlflow.traceRequestMetadata", "ai.settings.context"}
)
_TAGS = frozenset({"langfuse.trace.tags", "langfuse.tags", "tag.tags", "tags", "langfuse.observation.tags", "mastra.tags"})
CONSENT, REFUSAL, REGION, CLASS, USER, SESSION = "consent", "refusal", "region", "confidentiality", "user", "session"
_NAMES = {
    **dict.fromkeys(
        ("consent", "user_consent", "training_consent", "consent_training", "app_consent", "app_consent_training", "ctp_consent")
        + ("gdpr_consent", "consent_status", "consent_given", "consent_level", "data_consent", "ai_consent", "model_training_consent")
        + ("allow_training", "training_allowed", "opt_in", "training_opt_in", "opted_in", "can_train", "train_consent"),
        CONSENT,
    ),
    **dict.fromkeys(
        ("opt_out", "optout", "opted_out", "training_opt_out", "opt_out_training", "do_not_train", "donottrain", "no_training", "no_train")
        + ("do_not_use_for_training", "exclude_from_training", "consent_withdrawn", "withdrawn", "consent_revoked", "training_opted_out"),
        REFUSAL,
    ),
    **dict.fromkeys(("region", "data_region", "ctp_region", "data_residency", "residency"), REGION),
    **dict.fromkeys(
        ("confidentiality", "confidentiality_class", "confidentiality_level", "data_classification", "classification", "data_class")
        + ("ctp_confidentiality", "sensitivity", "sensitivity_label", "security_classification", "classification_level"),
        CLASS,
    ),
    **dict.fromkeys(("user_id", "userid", "langfuse_user_id", "end_user_id", "enduser_id", "user_api_key_end_user_id", "llm_user"), USER),
    **dict.fromkeys(("session_id", "sessionid", "langfuse_session_id", "thread_id"), SESSION),
}
METADATA_KEYS = tuple(sorted({f"{front}{key}" for front in ("", "attributes.") for key in _BLOBS} | _NAMES.keys()))
"""Keys of a Langfuse row's metadata whose values hold claims and may be long."""
_EXACT = {
    **dict.fromkeys(("user.id", "enduser.id", "langfuse.user.id", "llm.user", "userId", "gen_ai.user.id"), USER),
    **dict.fromkeys(("session.id", "langfuse.session.id", "gen_ai.session.id"), SESSION),
    "gen_ai.conversation.id": "conversation",
    "user.consent": CONSENT,
    "app.consent": CONSENT,
    "app.consent.training": CONSENT,
    "cloud.region": "cloud",
    "session.previous_id": "",
}
_CONSENT = dict.fromkeys(
    ("train", "training", "true", "granted", "opt_in", "opted_in", "yes", "given", "allow", "allowed", "1"), "train"
) | {
    "eval": "eval",
    "evaluation": "eval",
    "evaluation_only": "eval",
}
_REFUSED = frozenset({"none", "false", "no", "denied", "deny", "refused", "withdrawn", "revoked", "opt_out", "opted_out", "rejected", "0"})
_FLAG_DOWN = frozenset({"false", "no", "0", "", "none", "null"})
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SEPARATORS = re.compile(r"[-. :]+")
CONSENT_ORDER = ("unknown", "none", "eval", "train")
CLASS_ORDER = ("public", "internal", "confidential", "restricted", "unknown")


@dataclass(slots=True)
class Claims:
    """What all deliveries of a trace claim.

    Attributes:
        consent: "train", "eval", "none" or "unknown": the strictest of any claim; "none" without any.
        region: the region of all spans, several joined by ","; "" without any.
        confidentiality: the strictest class, "unknown" for a word that is no class, "" without any.
        user_id: the first user id, outermost span first; "" without one.
        session_id: the first session id; "" without one.
        consents: every consent level that was claimed, in alphabetical order; () without a claim.
        withdrawn: whether one claim permits and another refuses.
        places: key under which each consent, region and class claim stood, in alphabetical order.
        unlisted: keys that look like a claim but stand under no listed prefix.
    """

    consent: str = "none"
    region: str = ""
    confidentiality: str = ""
    user_id: str = ""
    session_id: str = ""
    consents: tuple[str, ...] = ()
    withdrawn: bool = False
    places: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = ()


@dataclass(slots=True)
class _Values:
    """Every value of each claim, with the key that held it."""

    consent: list[str] = field(default_factory=list)
    region: list[str] = field(default_factory=list)
    cloud: list[str] = field(default_factory=list)
    confidentiality: list[str] = field(default_factory=list)
    user: list[str] = field(default_factory=list)
    session: list[str] = field(default_factory=list)
    conversation: list[str] = field(default_factory=list)
    places: set[str] = field(default_factory=set)
    unlisted: set[str] = field(default_factory=set)


def _snake(name: str) -> str:
    return _SEPARATORS.sub("_", _CAMEL.sub("_", name)).casefold().strip("_")


@functools.lru_cache(maxsize=65_536)
def claim_of(key: str) -> tuple[str, bool]:
    """(claim that a key makes, whether its prefix is listed); ("", False) for a key of another meaning."""
    if len(key) > 200:
        return "", False
    name = key
    for outer in _OUTER:
        name = name.removeprefix(outer)
    if name in _EXACT:
        return _EXACT[name], True
    if name in _BLOBS:
        return "blob", True
    if name in _TAGS:
        return "tags", True
    stripped = name
    for prefix in PREFIXES:
        if stripped.startswith(prefix):
            stripped = stripped[len(prefix) :]
            break
    if claim := _NAMES.get(_snake(stripped)):
        return claim, True
    last = re.split(r"[.:/]", name)[-1]
    claim = _NAMES.get(_snake(last), "")
    return (claim, False) if claim in (CONSENT, REFUSAL, CLASS) else ("", False)


def claim_word(value: Any) -> str:
    """A claimed value as one lower-case word: JSON decoded, lists joined, quotes and dashes gone."""
    value = decode_json(value)
    if isinstance(value, (list, tuple)):
        value = ",".join(str(item) for item in value)
    return re.sub(r"[\s\x00-\x1f]+", " ", str(value)).strip().strip("\"'").casefold()[:64]


def _consent_word(value: Any) -> str:
    """A consent level; "" for a value that claims nothing."""
    word = claim_word(value).replace("-", "_").replace(" ", "_")
    return _CONSENT.get(word) or ("none" if word in _REFUSED else "unknown") if word else ""


def _add(values: _Values, claim: str, is_listed: bool, key: str, value: Any) -> None:
    if value is None or value == "":
        return
    if claim == REFUSAL:
        if claim_word(value) not in _FLAG_DOWN:
            values.consent.append("none")
            values.places.add(key)
    elif claim == CONSENT:
        level = _consent_word(value)
        if is_listed or level == "none":
            values.consent += [level] if level else []
            values.places.add(key)
        else:
            values.unlisted.add(key)
    elif claim == CLASS:
        word = claim_word(value).replace("-", "_").replace(" ", "_")
        level = word if word in CLASS_ORDER else "unknown"
        if is_listed or level in ("confidential", "restricted"):
            values.confidentiality.append(level)
            values.places.add(key)
        else:
            values.unlisted.add(key)
    elif claim == REGION:
        values.region.append(claim_word(value))
        values.places.add(key)
    elif claim == "cloud":
        values.cloud.append(claim_word(value))
    elif isinstance(value, (str, int)) and not isinstance(value, bool):
        text = decode_json(value)
        getattr(values, claim).append(str(text if isinstance(text, (str, int)) else value)[:1000])


def _tags(value: Any) -> Iterator[tuple[str, str]]:
    """Yield name and value of tags such as `consent:train`, and of bare ones such as `no-training`."""
    tags = decode_object(value)
    for tag in tags if isinstance(tags, (list, tuple)) else tags.split(",") if isinstance(tags, str) else ():
        name, separator, rest = re.sub(r"\s+", " ", str(tag)[:256]).strip().partition(":")
        if not separator:
            name, separator, rest = name.partition("=")
        yield name.strip(), rest.strip() if separator else "true"


def _collect(attributes: dict[str, Any], values: _Values, depth: int = 0, path: str = "") -> None:
    """Add the claims of one mapping: attributes of a span or resource, or a metadata object inside one."""
    for key, value in attributes.items():
        claim, is_listed = claim_of(key)
        if not claim:
            continue
        if claim == "blob":
            if depth < 4:
                inner = as_object(value)
                if inner:
                    _collect({str(name): item for name, item in inner.items()}, values, depth + 1, f"{path}{key}.")
        elif claim == "tags":
            for name, rest in _tags(value):
                tag, tag_listed = claim_of("metadata." + name)
                if tag in (CONSENT, REFUSAL, REGION, CLASS):
                    _add(values, tag, tag_listed, f"{path}{key}", rest)
        else:
            _add(values, claim, is_listed, path + key, value)


def strictest_consent(levels: Iterable[str]) -> str:
    """The strictest of some consent levels; "none" without any."""
    known = set(levels)
    return next((level for level in CONSENT_ORDER if level in known), "none")


def strictest_class(levels: Iterable[str]) -> str:
    """The strictest of some classes; "" without any."""
    known = set(levels)
    return next((level for level in reversed(CLASS_ORDER) if level in known), "")


def is_withdrawn(levels: Iterable[str]) -> bool:
    """Whether a permission and a refusal were both claimed."""
    known = set(levels)
    return "none" in known and bool(known & {"train", "eval"})


def claims_of(spans: Iterable[Span]) -> Claims:
    """Claims of the spans of one trace, outermost first, whatever deliveries they came with."""
    values, machine = _Values(), _Values()
    seen: set[int] = set()
    for span in spans:
        _collect(span.attributes, values)
        for _, event in span.events:
            if len(event) > 0 and any(claim_of(key)[0] in (CONSENT, REFUSAL, CLASS) for key in event):
                _collect(event, values)
        if span.resource and id(span.resource) not in seen:
            seen.add(id(span.resource))
            _collect(span.resource, machine)
    consent = set(values.consent) | set(machine.consent)
    classes = set(values.confidentiality) | set(machine.confidentiality)
    # An app describes its data, a resource the machine: its region counts only when no span names one.
    regions = values.region or machine.region or machine.cloud or values.cloud
    return Claims(
        consent=strictest_consent(consent),
        consents=tuple(sorted(consent)),
        region=",".join(sorted({region for region in regions if region})),
        confidentiality=strictest_class(classes),
        user_id=next(iter(values.user or machine.user), ""),
        session_id=next(iter(values.session or values.conversation or machine.session), ""),
        withdrawn=is_withdrawn(consent),
        places=tuple(sorted(values.places | machine.places)),
        unlisted=tuple(sorted(values.unlisted | machine.unlisted)),
    )
