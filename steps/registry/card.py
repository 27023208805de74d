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
    ("Approved by", "ctp.approved-by"),
    ("Approved at", "ctp.approved-at"),
    ("Seed", "ctp.seed"),
    ("Configuration", "ctp.config"),
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
    lines = [f"# {name}", "", "| | |", "| --- | --- |"]
    lines += [f"| {title} | {_cell(tags[key])} |" for title, key in _ROWS if tags.get(key)]
    if tags.get("ctp.bootstrap"):
        lines += ["", "The first model: it was not trained here and met no gate."]
    for part in _gate(verdict) if verdict else ():
        if len("\n".join([*lines, part])) + 1 > MAX_CHARS:
            break
        lines.append(part)
    return "\n".join(lines)[: MAX_CHARS - 1] + "\n"


def _gate(verdict: Mapping[str, Any]) -> list[str]:
    head = ("Metric", "Champion", "Candidate", "Difference", "95 % interval", "Questions")
    lines = ["", "## Gate", "", f"| {' | '.join(head)} |", "|" + " --- |" * len(head)]
    for metric, found in verdict["metrics"].items():
        low, high = found["ci95"]
        numbers = (found["champion"], found["candidate"])
        lines.append(
            f"| {metric} | {numbers[0]:.4g} | {numbers[1]:.4g} | {found['delta']:+.4g} | {low:+.4g} to {high:+.4g} | {found['n']} |"
        )
    return [*lines, "", *(f"- {_cell(finding['reason'])}" for finding in verdict["findings"])]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
