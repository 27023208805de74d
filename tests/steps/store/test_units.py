from __future__ import annotations

from datetime import UTC, datetime

from steps.store.raw_objects import RawObject
from steps.store.units import plan_units, read_versions, unit_id


def raw(name, size=10, folder="a", etag="1"):
    return RawObject(uri=f"file:///{folder}/{name}", etag=etag, bytes=size, last_modified=datetime(2026, 8, 1, tzinfo=UTC))


def names(unit):
    return [item.uri.rpartition("/")[2] for item in unit.objects]


def test_everything_that_fits_is_one_unit():
    (unit,) = plan_units([raw("1"), raw("2", folder="b"), raw("3")], 100)
    assert names(unit) == ["1", "3", "2"]
    assert (unit.shard, unit.shards) == (0, 1)


def test_plan_does_not_depend_on_the_order_of_files():
    files = [raw(str(i), folder=str(i % 3)) for i in range(9)]
    assert plan_units(files, 25) == plan_units(reversed(files), 25)


def test_a_window_is_shared_out_by_trace_whatever_its_folders():
    units = plan_units([raw("1", 30), raw("2", 30, folder="b")], 25)
    assert [(unit.shard, unit.shards, names(unit)) for unit in units] == [(k, 3, ["1", "2"]) for k in range(3)]
    assert len({unit.id for unit in units}) == 3


def test_more_than_16_units_are_several_windows():
    units = plan_units([raw(f"{i:02}", 25) for i in range(20)], 25)
    assert {unit.shards for unit in units} == {16, 4}


def test_id_changes_with_name_version_and_shard():
    a, b = raw("1"), raw("2")
    assert len({unit_id([a]), unit_id([raw("1", etag="2")]), unit_id([a, b]), unit_id([a], 0, 2), unit_id([a], 1, 2)}) == 5


def test_object_counts_as_read_when_every_shard_is():
    assert read_versions([("u", "e", 0, 2)]) == set()
    assert read_versions([("u", "e", k, 2) for k in range(2)]) == {("u", "e")}
    assert read_versions([("u", "e", 0, 2), ("u", "e", 0, 3)]) == set()
