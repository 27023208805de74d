from __future__ import annotations

import pytest

from steps.contract.errors import TransientError
from steps.scoring.breaker import MIN_TRACES, WINDOW, CircuitBreaker


def test_opens_when_too_many_of_the_last_traces_failed():
    breaker = CircuitBreaker(0.2)
    for number in range(WINDOW):
        breaker.add("HTTP 500" if number % 10 == 9 else "")
    with pytest.raises(TransientError, match="of the last 200 traces.*HTTP 500"):
        for _ in range(40):
            breaker.add("HTTP 500")


def test_a_few_traces_do_not_open_it_before_the_end():
    breaker = CircuitBreaker(0.2)
    for _ in range(MIN_TRACES - 1):
        breaker.add("cut off")
    with pytest.raises(TransientError, match="19 of the last 19"):
        breaker.finish()


def test_old_failures_are_forgotten():
    breaker = CircuitBreaker(0.0)
    with pytest.raises(TransientError):
        for number in range(MIN_TRACES):
            breaker.add("x" if number == MIN_TRACES - 1 else "")
    breaker = CircuitBreaker(1.0)
    for _ in range(500):
        breaker.add("x")
    breaker.finish()


def test_nothing_asked_is_fine():
    CircuitBreaker(0.0).finish()
