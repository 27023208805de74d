"""What Argo CD would do with a document from Git: compare without the ignored fields, and apply only what is out of sync.

The rules are read from the Applications that charts/root-app makes, so what is tested is what is shipped.
"""

from __future__ import annotations

import copy
import re
from typing import Any

Document = dict[str, Any]
Rule = dict[str, Any]
_PATH = re.compile(r"(\.[A-Za-z]+(\[\])?)+")
_NAMED_RULES = re.compile(r'\.spec\.rules\[\] \| select\(\(\.name // ""\) \| startswith\("([^"]+)"\)\)')


def applies(rule: Rule, document: Document) -> bool:
    """Whether a rule of `ignoreDifferences` is for this kind of object."""
    group = document["apiVersion"].rpartition("/")[0]
    return rule.get("group", "") == group and rule["kind"] == document["kind"]


def without(document: Document, rules: list[Rule]) -> Document:
    """A copy without what the rules ignore.

    Raises:
        ValueError: a rule is written in a way that is not understood here.
    """
    left = copy.deepcopy(document)
    for rule in rules:
        if not applies(rule, document):
            continue
        for pointer in rule.get("jsonPointers") or ():
            _drop([left], [part.replace("~1", "/").replace("~0", "~") for part in pointer.strip("/").split("/")])
        for expression in rule.get("jqPathExpressions") or ():
            if named := _NAMED_RULES.fullmatch(expression):
                kept = [entry for entry in left["spec"].get("rules") or [] if not str(entry.get("name") or "").startswith(named[1])]
                left["spec"]["rules"] = kept
            elif _PATH.fullmatch(expression):
                _drop([left], expression.strip(".").split("."))
            else:
                raise ValueError(f"jqPathExpressions {expression!r}: teach tests/e2e/argo_cd.py to read it")
    return left


def _drop(places: list[Any], path: list[str]) -> None:
    """Delete what a path names; `name[]` goes into every item of a list."""
    *way, last = path
    for step in way:
        name, into = step.removesuffix("[]"), step.endswith("[]")
        found = [place[name] for place in places if isinstance(place, dict) and name in place]
        places = [item for value in found for item in value] if into else found
    for place in places:
        if isinstance(place, dict):
            place.pop(last, None)


def difference(wanted: Any, live: Any, path: str = "") -> str:
    """Path of the first field of Git that is otherwise in the cluster; empty: none. What only the cluster has does not count."""
    if isinstance(wanted, dict) and isinstance(live, dict):
        for key, value in wanted.items():
            if found := difference(value, live.get(key), f"{path}.{key}"):
                return found
        return ""
    if isinstance(wanted, list) and isinstance(live, list) and len(wanted) == len(live):
        return next((found for at, pair in enumerate(zip(wanted, live, strict=True)) if (found := difference(*pair, f"{path}[{at}]"))), "")
    # The API server leaves out what is empty.
    return "" if wanted == live or (not wanted and not live) else path or "."


def out_of_sync(document: Document, live: Document | None, rules: list[Rule]) -> str:
    """Why a document would be applied; empty: it would not."""
    if live is None:
        return "missing"
    return difference(without(document, rules), without(live, rules))


def keeps_client_side(document: Document) -> bool:
    """Whether the document asks not to be applied server-side, as Services of a Rollout must."""
    options = (document["metadata"].get("annotations") or {}).get("argocd.argoproj.io/sync-options", "")
    return "ServerSideApply=false" in options.replace(" ", "").split(",")
