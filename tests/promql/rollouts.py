"""What Argo Rollouts makes of measurements: conditions and limits, for the expressions that we ship.

Source:
    argo-rollouts utils/evaluate/evaluate.go, analysis/analysis.go and
    metricproviders/prometheus/prometheus.go (commit 9f8d111).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from .prometheus import Prometheus, QueryError
from .series import NOW

_TOKEN = re.compile(r"\s*(len|isNaN|isInf|result|&&|\|\||==|!=|<=|>=|<|>|!|\(|\)|\[|\]|-?[0-9]+(?:\.[0-9]+)?)")
_PYTHON = {"&&": " and ", "||": " or ", "!": " not "}


def holds(condition: str, result: list[float]) -> bool:
    """Evaluate one condition.

    Raises:
        ValueError: it uses more of the language than we do.
        IndexError: it reads past the end, which Rollouts counts as an error.
    """
    written, position = [], 0
    while position < len(condition.rstrip()):
        match = _TOKEN.match(condition, position)
        if match is None:
            raise ValueError(f"{condition[position:]!r}: not an expression that we use")
        written.append(_PYTHON.get(match[1], match[1]))
        position = match.end()
    names = {"__builtins__": {}, "len": len, "isNaN": math.isnan, "isInf": math.isinf, "result": result}
    return bool(eval("".join(written), names))


def phase_of(metric: Mapping[str, Any], result: list[float]) -> str:
    """The phase of one measurement."""
    try:
        success, failure = holds(metric["successCondition"], result), holds(metric["failureCondition"], result)
    except IndexError:
        return "Error"
    return "Failed" if failure else "Successful" if success else "Inconclusive"


def filled(query: str, arguments: Mapping[str, str]) -> str:
    """The query with the AnalysisRun's arguments.

    Raises:
        ValueError: one is missing.
    """
    for name, value in arguments.items():
        query = query.replace(f"{{{{args.{name}}}}}", value)
    if "{{" in query:
        raise ValueError(f"{query}: an argument is missing")
    return query


def measure(prometheus: Prometheus, metric: Mapping[str, Any], arguments: Mapping[str, str], at: float = NOW) -> str:
    """One measurement."""
    try:
        return phase_of(metric, prometheus.values(filled(metric["query"], arguments), at))
    except QueryError:
        return "Error"


def assess(metric: Mapping[str, Any], phases: Iterable[str]) -> tuple[str, int]:
    """How a run ends with these measurements: its phase and after how many; Running and the number of looks: it does not."""
    counts, errors, successes, looks = {"Failed": 0, "Inconclusive": 0, "Successful": 0}, 0, 0, 0
    for number, phase in enumerate(phases, start=1):
        if phase == "Error":
            errors += 1
        else:
            errors, looks = 0, looks + 1
            counts[phase] += 1
            successes = successes + 1 if phase == "Successful" else 0
        ended = ""
        if counts["Failed"] > metric["failureLimit"]:
            ended = "Failed"
        if counts["Inconclusive"] > metric["inconclusiveLimit"]:
            ended = "Inconclusive"
        if errors > metric["consecutiveErrorLimit"]:
            ended = "Error"
        wanted = metric.get("consecutiveSuccessLimit", 0)
        if not ended and wanted and successes >= wanted:
            ended = "Successful"
        if not ended and metric.get("count") and looks >= metric["count"]:
            ended = "Inconclusive" if wanted else "Successful"
        if ended:
            return ended, number
    return "Running", looks
