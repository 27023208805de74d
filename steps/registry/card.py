"""The model card: one Markdown page with the full lineage of a version. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_ROWS = (
    ("Method", "ctp.method"),
    ("Weights", "ctp.uri"),
    ("SHA-256", "ctp.sha256"),
    ("Base model", "ctp.base"),
    ("Dataset", "ctp.dataset"),
    ("Traces", "ctp.traces"),
    ("Reward policy", "ctp.policy-version"),
    ("Reward judge", "ctp.reward-judge"),
    ("Gate judge", "ctp.gate-judge"),
    ("Gate", "ctp.gate-phase"),
    ("Verdict", "ctp.verdict"),
    ("Training approved by", "ctp.approved-by"),
    ("Training approved at", "ctp.approved-at"),
    ("Deployment", "ctp.deploy-decision"),
    ("Deployment decided by", "ctp.deploy-decided-by"),
    ("Deployment decided at", "ctp.deploy-decided-at"),
    ("Seed", "ctp.seed"),
    ("Configuration", "ctp.config"),
    ("Git commit", "ctp.git-sha"),
    ("Image", "ctp.image"),
    ("Pipeline", "ctp.pipeline"),
    ("Run", "ctp.run-id"),
)
# MLflow's column for descriptions.
MAX_CHARS = 5000


def render_card(name: str, tags: Mapping[str, str], verdict: Mapping[str, Any] | None) -> str:
    """The card of a version.

    Args:
        name: registered model.
        tags: the version's tags.
        verdict: content of its verdict file; None without a gate (the first model).

    Returns:
        Markdown of at most 5000 characters; only the findings are ever cut.
    """
    lines = [f"# {name}", "", *_table(tags)]
    if tags.get("ctp.bootstrap"):
        lines += ["", "The first model: it was not trained here and met no gate."]
    for part in _gate(verdict) if verdict else ():
        if len("\n".join([*lines, part])) + 1 > MAX_CHARS:
            break
        lines.append(part)
    return "\n".join(lines)[: MAX_CHARS - 1] + "\n"


def amend_card(card: str, tags: Mapping[str, str]) -> str:
    """The same card with its table of facts as the tags are now; what follows the table is kept, so far as it fits."""
    head, _, rest = card.partition("\n\n")
    _, gap, after = rest.partition("\n\n")
    facts = "\n".join([head, "", *_table(tags)])
    return f"{facts}{gap}{after}"[: MAX_CHARS - 1].rstrip("\n") + "\n"


def _table(tags: Mapping[str, str]) -> list[str]:
    return ["| | |", "| --- | --- |", *(f"| {title} | {_cell(tags[key])} |" for title, key in _ROWS if tags.get(key))]


def _gate(verdict: Mapping[str, Any]) -> list[str]:
    head = ("Metric", "Champion", "Candidate", "Difference", "95 % interval", "Questions")
    lines = ["", "## Gate", "", f"| {' | '.join(head)} |", "|" + " --- |" * len(head)]
    for metric, result in verdict["metrics"].items():
        low, high = result["ci95"]
        numbers = (result["champion"], result["candidate"])
        lines.append(
            f"| {metric} | {numbers[0]:.4g} | {numbers[1]:.4g} | {result['delta']:+.4g} | {low:+.4g} to {high:+.4g} | {result['n']} |"
        )
    return [*lines, "", *(f"- {_cell(finding['reason'])}" for finding in verdict["findings"])]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
