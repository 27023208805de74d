"""preStop of a model server: wait until routes know that it leaves and every answer is finished.

vLLM gives up what is in flight when it is told to stop, so it must not be told before.
Usage: drain.py PORT SETTLE_S LONGEST_S
"""

from __future__ import annotations

import sys
import time
import urllib.request

GAUGES = ("vllm:num_requests_running", "vllm:num_requests_waiting")


def in_flight(port: int) -> float:
    """Requests that run or wait here; 0 when the server does not answer any more."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as response:  # noqa: S310 - this pod's own server
            lines = response.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return 0.0
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(GAUGES))


def drain(port: int, settle_s: float, longest_s: float) -> None:
    """Return when nothing has been in flight for two looks, or after `longest_s`."""
    time.sleep(settle_s)
    end, idle = time.monotonic() + longest_s, 0
    while idle < 2 and time.monotonic() < end:
        idle = 0 if in_flight(port) else idle + 1
        time.sleep(0.5)


if __name__ == "__main__":
    drain(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]))
