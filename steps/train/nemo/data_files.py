"""Data files of NeMo-RL from curated rows, and which rows are held out.

Source: NeMo-RL v0.7.0, nemo_rl/data/datasets/preference_datasets/preference_dataset.py and
response_datasets/response_dataset.py.
"""

from __future__ import annotations

from typing import Any, Literal

from steps.contract.files import canonical_json, sha256_text

FitRow = dict[str, Any]
"""A row of `steps.train.dataset.fit_rows`."""


def preference_row(row: FitRow) -> dict[str, Any]:
    """A row of PreferenceDataset: the lower rank is the better answer."""
    answers = [{"rank": rank, "completion": row[name]} for rank, name in enumerate(("chosen", "rejected"))]
    return {"context": row["prompt"], "completions": answers}


def response_row(row: FitRow) -> dict[str, Any]:
    """A row of ResponseDataset, which keeps two texts and drops everything else: `output` carries the rest as JSON."""
    carried = {"messages": row["prompt"], "question": row["question"], "contexts": list(row["contexts"])}
    return {"input": row["prompt"][-1]["content"], "output": canonical_json(carried)}


def as_lines(rows: list[FitRow], method: Literal["dpo", "grpo"]) -> str:
    """The file's text, one JSON object a line."""
    make = preference_row if method == "dpo" else response_row
    return "".join(canonical_json(make(row)) + "\n" for row in rows)


def hold_out(rows: list[FitRow], ratio: float, most: int) -> tuple[list[FitRow], list[FitRow]]:
    """Training and validation rows. All rows of one prompt are on one side, and on the same one in every run.

    Args:
        rows: in the order of the dataset, which both sides keep.
        ratio: share of the prompts that is held out, above 0.
        most: at most so many rows are held out.
    """
    groups: dict[float, list[FitRow]] = {}
    for row in rows:
        groups.setdefault(_place(row), []).append(row)
    held: set[float] = set()
    room = most
    for where in sorted(groups):
        # The first one in any case: without a validation row no checkpoint could be the best.
        if not held or (where < ratio and len(groups[where]) <= room):
            held.add(where)
            room -= len(groups[where])
    return [row for row in rows if _place(row) not in held], [row for row in rows if _place(row) in held]


def _place(row: FitRow) -> float:
    """Where a row's prompt stands between 0 and 1: by its text alone."""
    return int(sha256_text(canonical_json(row["prompt"]))[:12], 16) / 16.0**12
