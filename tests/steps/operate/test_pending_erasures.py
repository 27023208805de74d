"""How many erasures wait, and since when."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from steps.operate.pending_erasures import open_erasures
from steps.store.lake import open_lake

NOW = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ages", "count", "oldest"),
    [
        ({}, 0, 0.0),
        ({"a": (3, True)}, 0, 0.0),
        ({"a": (3, True), "b": (2, False), "c": (9, False)}, 2, (NOW - timedelta(days=9)).timestamp()),
        # A request without a time is late, not forgotten.
        ({"a": (None, False), "b": (2, False)}, 2, 1.0),
    ],
)
def test_open_erasures(house, ages, count, oldest):
    with open_lake(house.ctx.config, house.folder) as lake:
        for user, (days, complete) in ages.items():
            asked = None if days is None else NOW - timedelta(days=days)
            row = {"user_hash": user, "run_id": "r", "requested_at": asked, "payload_json": json.dumps({"complete": complete})}
            schema = pa.schema([("user_hash", pa.string()), ("run_id", pa.string()), ("requested_at", pa.timestamp("us", "UTC"))])
            table = pa.Table.from_pylist([row], schema=schema.append(pa.field("payload_json", pa.string())))
            lake.replace_batch("erasures", table, "user_hash", user, run_id="r")
        assert open_erasures(lake) == (count, oldest)


def test_steps_say_so(house):
    result = house.call("erase", user="gone")
    assert result.complete and (result.open_erasures, result.oldest_open_erasure_s) == (0, 0.0)
    kept = house.call("maintain")
    assert (kept.open_erasures, kept.oldest_open_erasure_s) == (0, 0.0)
