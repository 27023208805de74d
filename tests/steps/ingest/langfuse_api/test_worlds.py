"""Random worlds: rows that arrive late, also while a window is read, a server that fails, and a pull that is killed at its writes."""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest

from steps.contract.config import IngestConfig
from steps.contract.errors import TransientError
from steps.ingest.langfuse_api import pull as pull_module
from steps.ingest.langfuse_api.pull import pull_source
from steps.ingest.langfuse_api.raw import LocalObjects

from .server import KEYS, Langfuse, observation, score, serve

DAY = datetime(2026, 11, 28, tzinfo=UTC)
SPAN = timedelta(hours=2)
LAST_REPOLL = timedelta(hours=5)
CONFIG = IngestConfig(langfuse_since=date(2026, 11, 28), langfuse_repolls_minutes=(60, 300))


class Kill(BaseException):
    """The process ends here."""


class KilledObjects(LocalObjects):
    """Files whose writer is killed before or after a write."""

    draw: random.Random
    rate: float
    kills = 0

    def _kill(self):
        if self.draw.random() < self.rate:
            KilledObjects.kills += 1
            raise Kill

    def write(self, name, content):
        self._kill()
        super().write(name, content)
        self._kill()

    def delete(self, name):
        self._kill()
        super().delete(name)
        self._kill()


def build(draw: random.Random) -> tuple[Langfuse, dict[str, datetime]]:
    """A server and the arrival of each row by kind and id."""
    world = Langfuse(draw=draw, largest_page=draw.choice((2, 7, 50, 1000)), fault_rate=draw.choice((0.0, 0.1, 0.25)))
    arrivals = {}
    bursts = [DAY + draw.random() * SPAN for _ in range(4)]
    for number in range(draw.randint(40, 160)):
        kind = draw.choice(("observations", "observations", "scores"))
        # Whole milliseconds: many rows at one instant, and some exactly on the borders of windows.
        moment = draw.choice((draw.choice(bursts), DAY + draw.random() * SPAN, DAY + timedelta(minutes=15 * draw.randint(0, 7))))
        moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
        delay = draw.choice((draw.random() * 600, draw.random() * 600, draw.random() * 18_000))
        arrival = moment + timedelta(seconds=delay)
        row = observation(moment, f"r{number}", f"t{number % 9}") if kind == "observations" else score(moment, f"r{number}")
        world.rows.append((arrival, kind, row))
        arrivals[f"{kind}/r{number}"] = (arrival, moment)

    def advance(kind, query):
        world.now += timedelta(seconds=draw.choice((0, 0, 5, 120)))

    world.before_page = advance
    return world, arrivals


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kill_rate", [0.0, 0.15])
def test_every_row_comes_once(seed, kill_rate, tmp_path, monkeypatch):
    draw = random.Random(seed)
    world, arrivals = build(draw)
    KilledObjects.draw, KilledObjects.rate, KilledObjects.kills = draw, kill_rate, 0
    monkeypatch.setattr(pull_module, "open_raw", lambda uri: KilledObjects(tmp_path))
    end = DAY + SPAN + LAST_REPOLL + timedelta(minutes=20)
    with serve(world) as source:
        now, pulled_at = DAY, DAY
        while pulled_at < end:
            now = pulled_at = min(now + timedelta(minutes=draw.choice((10, 30, 70, 200))), end)
            while True:
                world.now = max(world.now, now)
                try:
                    result = pull_source(source, "raw", now, CONFIG, environ=KEYS, sleep=lambda seconds: None)
                except (Kill, TransientError):
                    continue
                assert result.windows_due == 0
                break
            now = max(now, min(world.now, end))
    rows = Counter(
        f"{path.name.partition('-')[0]}/{json.loads(line)['id']}"
        for path in tmp_path.rglob("*.jsonl.gz")
        for line in gzip.decompress(path.read_bytes()).splitlines()
    )
    assert [name for name, count in rows.items() if count > 1] == []
    due = {name for name, (arrival, moment) in arrivals.items() if arrival <= _window_end(moment) + LAST_REPOLL}
    assert due - rows.keys() == set()
    assert rows.keys() <= arrivals.keys()
    assert kill_rate == 0 or KilledObjects.kills > 3
    pages = Counter(
        (entry["fromStartTime"], entry["toStartTime"], entry.get("cursor"))
        for entry in world.log
        if entry["kind"] == "observations" and entry["fields"] != "core" and _is_window(entry["fromStartTime"], entry["toStartTime"])
    )
    assert sum(count - 1 for count in pages.values()) <= KilledObjects.kills, "a page whose state was saved is not asked for again"
    assert len(list(tmp_path.rglob(".state/*/*.json"))) == 0, "state of windows that are closed is gone"


def _is_window(start, end):
    return datetime.fromisoformat(end) - datetime.fromisoformat(start) == timedelta(minutes=15)


def _window_end(moment: datetime) -> datetime:
    return DAY + ((moment - DAY) // timedelta(minutes=15) + 1) * timedelta(minutes=15)
