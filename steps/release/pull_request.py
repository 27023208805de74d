"""Pull-request mode: the release commit goes to a branch of its own, which people merge.

The branch is named by what it pins, `release/<environment>/<model>-<version>`, so that the same decision
finds the same branch however often it is made. Opening a pull request from it is the Git host's: most
print the link on the push, and all take a rule that does it.
"""

from __future__ import annotations

from collections.abc import Mapping

from steps.contract.errors import DataError
from steps.release.model_pin import Pin, parse_pin, pin_path
from steps.store.git import redact
from steps.store.git_branch import Branch


def branch_name(environment: str, pin: Pin) -> str:
    """Where the commit that pins this goes."""
    return f"release/{environment}/{pin.name}-{pin.version}"


def propose(branch: Branch, environment: str, target: Pin, texts: Mapping[str, str], message: str) -> tuple[str, str, bool]:
    """Put one commit that pins `target` onto its branch, unless it waits there already.

    A proposal whose files changed on the main branch since could not be merged: it is made anew.

    Args:
        branch: the main branch, read.
        environment: of the pin.
        target: the pin.
        texts: path -> new text.
        message: of the commit.

    Returns:
        The branch, its newest commit, and whether it was made now.

    Raises:
        DataError: somebody else committed to that branch.
        HeadMovedError: somebody else pushed there in between.
    """
    name, path = branch_name(environment, target), pin_path(environment)
    tip = branch.tip(name)
    if tip and not branch.holds(tip):
        base = branch.ours(tip)
        if not base:
            where = f"{redact(branch.url)}: branch {name}"
            raise DataError(f"{where}: expected one commit of ours, found others at {tip[:12]}: merge or delete the branch first")
        mergeable = all(branch.read(file, base) == branch.read(file) for file in texts)
        if mergeable and parse_pin(branch.read(path, tip) or "", path) == target:
            return name, tip, False
    return name, branch.propose(name, texts, message, tip), True
