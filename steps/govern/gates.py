"""The four gates as pure functions: consent, region, confidentiality, personal data.

A gate reads one trace and passes it, or stops it by a rule. It refuses what it does not know.
The order is fixed: the first gate that stops a trace counts it.
"""

from __future__ import annotations

from dataclasses import dataclass

from steps.chat.claims import CLASS_ORDER
from steps.chat.trace import Trace
from steps.contract.config import GovernConfig
from steps.govern.pii.mask import mask_trace
from steps.govern.texts import is_document, replace_texts, texts_of

GATES = ("consent", "region", "confidentiality", "pii")


@dataclass(frozen=True, slots=True)
class Decision:
    """What a gate did to a trace.

    Attributes:
        gate: which of the four.
        rule: why, as one word of ours, never the trace's.
        action: "stopped" or "masked".
        detail: for a consent that stands under an unknown key, that key; "" otherwise.
    """

    gate: str
    rule: str
    action: str
    detail: str = ""


def consent_gate(trace: Trace) -> Decision | None:
    """Only traces whose users agreed to training or evaluation pass."""
    if trace.consent in ("train", "eval"):
        return None
    if trace.withdrawn:
        return Decision("consent", "consent-withdrawn", "stopped")
    if trace.consent == "unknown":
        return Decision("consent", "consent-unknown", "stopped")
    if trace.claim_keys:
        return Decision("consent", "consent-unlisted-key", "stopped", trace.claim_keys[0])
    return Decision("consent", "consent-none", "stopped")


def region_gate(trace: Trace, config: GovernConfig) -> Decision | None:
    """Only traces of an allowed region pass; sets the default region of a trace that has none."""
    trace.region = trace.region or config.region_default.casefold()
    if not trace.region:
        return Decision("region", "region-missing", "stopped")
    if "," in trace.region:
        return Decision("region", "region-conflict", "stopped")
    if trace.region not in {region.casefold() for region in config.allowed_regions}:
        return Decision("region", "region-not-allowed", "stopped")
    return None


def confidentiality_gate(trace: Trace, config: GovernConfig) -> Decision | None:
    """Only traces up to the configured class pass; sets the default class of a trace that has none."""
    trace.confidentiality = trace.confidentiality or config.confidentiality_default
    if not trace.confidentiality:
        return Decision("confidentiality", "class-missing", "stopped")
    if trace.confidentiality == "unknown":
        return Decision("confidentiality", "class-unknown", "stopped")
    if CLASS_ORDER.index(trace.confidentiality) > CLASS_ORDER.index(config.max_confidentiality):
        return Decision("confidentiality", f"class-{trace.confidentiality}", "stopped")
    return None


def pii_gate(trace: Trace, config: GovernConfig) -> list[Decision]:
    """Mask personal data in every text of the trace, or stop the trace, as configured.

    A trace in which a second search still finds something is stopped: a mask that leaks is worse than no row. So is
    one whose search overflows or breaks.
    """
    texts = texts_of(trace)
    documents = [text for text in texts if is_document(text)]
    plain = [text for text in texts if not is_document(text)]
    result = mask_trace(plain, documents)
    if (result.refusal and config.pii_action == "mask") or result.refusal in ("overflow", "error"):
        return [Decision("pii", f"pii-{result.refusal}", "stopped")]
    if not result.kinds:
        return []
    grave = [kind for kind in result.kinds if config.pii_action == "drop" or kind in config.pii_always_drop]
    if grave:
        return [Decision("pii", f"pii-{grave[0]}", "stopped")]
    replace_texts(trace, dict(zip((*plain, *documents), (*result.texts, *result.json_texts), strict=True)))
    return [Decision("pii", f"pii-{kind}", "masked") for kind in result.kinds]


def claims_gates(trace: Trace, config: GovernConfig) -> Decision | None:
    """The three gates that need no text, in order; the first refusal."""
    return consent_gate(trace) or region_gate(trace, config) or confidentiality_gate(trace, config)
