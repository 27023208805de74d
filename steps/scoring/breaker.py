"""CircuitBreaker: an outage of the judge must end the step, not mark every trace as unscorable."""

from __future__ import annotations

from collections import deque

from steps.contract.errors import TransientError

WINDOW = 200
MIN_TRACES = 20


class CircuitBreaker:
    """Watches the last 200 traces that were sent to the judge.

    Args:
        max_failed_ratio: share of them that may fail through the judge's fault, 0-1.
    """

    def __init__(self, max_failed_ratio: float) -> None:
        self.max_failed_ratio = max_failed_ratio
        self._recent: deque[bool] = deque(maxlen=WINDOW)
        self._reason = ""

    def add(self, failure: str) -> None:
        """Count one trace; `failure` is why the judge failed it, "" when it did not.

        Raises:
            TransientError: too many failed.
        """
        self._recent.append(bool(failure))
        self._reason = failure or self._reason
        if failure and len(self._recent) >= MIN_TRACES:
            self._check()

    def finish(self) -> None:
        """Decide on a run too short for `add`.

        Raises:
            TransientError: too many failed.
        """
        if self._recent:
            self._check()

    def _check(self) -> None:
        failed = sum(self._recent)
        if failed > self.max_failed_ratio * len(self._recent):
            raise TransientError(f"the judge failed {failed} of the last {len(self._recent)} traces, stopping; last: {self._reason}")
