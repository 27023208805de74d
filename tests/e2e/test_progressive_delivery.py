"""Releases on a real cluster: a good one reaches everybody, bad ones nobody, and Git follows what happened."""

from __future__ import annotations

import time

import pytest

from .rollout import ABORT, RETRY

BACK_WITHIN_S = 300
BAD = {"slow": "latency=4s", "erroneous": "errors=0.5", "unfaithful": "noise=2"}
LONG_S = 1500


def settled(delivery) -> int:
    """The version that serves everybody; whatever an earlier test left is put right first."""
    now = delivery.reconcile()
    found = delivery.until(lambda seen: seen.over and seen.weight == 0, 600, "nothing is under way")
    assert found.version == now["model"]["version"]
    return found.version


def test_a_good_version_reaches_everybody_and_becomes_champion(delivery):
    before, began = settled(delivery), time.monotonic()
    version = delivery.release(f"good-{time.time_ns()}")
    first = delivery.until(lambda seen: seen.weight == 5, LONG_S, "5 %")
    assert first.version == version and not first.over
    delivery.until(lambda seen: seen.weight == 25, LONG_S, "25 %")
    delivery.until(lambda seen: seen.over, LONG_S, "100 %")
    assert delivery.failed_requests(time.monotonic() - began) == 0, "a release must lose no request"
    after = delivery.reconcile()
    assert after["champion"].endswith(f"@{version}") and after["model"]["version"] == version != before


@pytest.mark.parametrize("name", sorted(BAD))
def test_a_bad_version_is_taken_back(delivery, name):
    stable = settled(delivery)
    version = delivery.release(f"{name}-{time.time_ns()}", fault=BAD[name])
    delivery.until(lambda seen: seen.weight > 0, LONG_S, "users reach the bad version")
    aborted = delivery.until(lambda seen: seen.aborted and seen.weight == 0, LONG_S, f"{name}: aborted, and nobody is sent there")
    assert aborted.version == version
    assert delivery.seconds_since_breach(aborted.newest) is not None, "an analysis must have found it, not a deadline"
    after = delivery.reconcile()
    assert after["model"]["version"] == stable, "the pin goes back"
    assert after["champion"].endswith(f"@{stable}"), "the champion never moved"
    delivery.until(lambda seen: seen.over and seen.version == stable, 300, "Git, registry and Rollout agree")
    took = delivery.seconds_since_breach(aborted.newest)
    print(f"{name}: previous generation back {took:.0f} s after the breach")
    assert took <= BACK_WITHIN_S


def test_abort_by_hand_retry_and_a_sync_in_the_middle(delivery):
    stable = settled(delivery)
    version = delivery.release(f"hand-{time.time_ns()}")
    delivery.until(lambda seen: seen.weight == 5, LONG_S, "5 %")
    delivery.patch_status(ABORT)
    aborted = delivery.until(lambda seen: seen.aborted and seen.weight == 0, 60, "aborted by hand")
    assert aborted.version == version and delivery.seconds_since_breach(aborted.newest) is None

    delivery.patch_status(RETRY)
    again = delivery.until(lambda seen: not seen.aborted and seen.weight == 5, LONG_S, "tried again")
    assert again.version == version

    applied = delivery.sync()
    assert applied == [], "Git says nothing new: Argo CD applies nothing in the middle of a canary"
    end = time.monotonic() + 15
    while time.monotonic() < end:
        assert delivery.look().weight >= 5, "the weights are the Rollout's, not Git's"
        time.sleep(1.0)
    delivery.until(lambda seen: seen.over, LONG_S, "the retried version reaches everybody")
    assert delivery.reconcile()["champion"].endswith(f"@{version}") and version != stable


def test_abort_by_hand_takes_the_pin_back(delivery):
    stable = settled(delivery)
    delivery.release(f"unwanted-{time.time_ns()}")
    delivery.until(lambda seen: seen.weight == 5, LONG_S, "5 %")
    delivery.patch_status(ABORT)
    delivery.until(lambda seen: seen.aborted and seen.weight == 0, 60, "aborted by hand")
    assert delivery.reconcile()["model"]["version"] == stable
    delivery.until(lambda seen: seen.over and seen.version == stable, 300, "the previous version is what Git and cluster say")
