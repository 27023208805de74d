from __future__ import annotations

from steps.store.units import FoundFile, SourceFile, ingested_digests, plan_units, unit_id


def found(name, size=10, group="a", kind="otlp"):
    return FoundFile(file=SourceFile(uri=f"file:///{group}/{name}", sha256=name.ljust(64, "0"), bytes=size), format=kind, group=group)


def names(unit):
    return [item.uri.rpartition("/")[2] for item in unit.files]


def test_everything_that_fits_is_one_unit():
    (unit,) = plan_units([found("1"), found("2", group="b"), found("3")], 100)
    assert names(unit) == ["1", "3", "2"]
    assert (unit.shard, unit.shards, unit.format) == (0, 1, "otlp")


def test_plan_does_not_depend_on_the_order_of_files():
    files = [found(str(i), group=str(i % 3)) for i in range(9)]
    assert plan_units(files, 25) == plan_units(reversed(files), 25)


def test_files_of_one_folder_stay_together():
    units = plan_units([found("1", group="a"), found("2", group="a"), found("3", group="b"), found("4", group="b")], 25)
    assert [names(unit) for unit in units] == [["1", "2"], ["3", "4"]]


def test_large_folder_is_shared_out_by_trace():
    units = plan_units([found("1", 30), found("2", 30)], 25)
    assert [(unit.shard, unit.shards, names(unit)) for unit in units] == [(k, 3, ["1", "2"]) for k in range(3)]
    assert len({unit.id for unit in units}) == 3


def test_huge_folder_is_cut_at_16_units():
    units = plan_units([found(f"{i:02}", 25) for i in range(20)], 25)
    assert {unit.shards for unit in units} == {16, 4}


def test_formats_are_told():
    assert plan_units([found("1", kind="otlp"), found("2", kind="langfuse")], 100)[0].format == "mixed"
    assert plan_units([found("1", kind="unknown"), found("2", kind="langfuse")], 100)[0].format == "langfuse"
    assert plan_units([found("1", kind="unknown")], 100)[0].format == "unknown"


def test_id_changes_with_name_content_and_shard():
    a, b = found("1").file, found("2").file
    assert len({unit_id([a]), unit_id([b]), unit_id([a, b]), unit_id([a], 0, 2), unit_id([a], 1, 2)}) == 5


def test_file_counts_as_ingested_when_every_shard_is():
    assert ingested_digests([{"sha256": ["d"], "shard": 0, "shards": 2}]) == set()
    assert ingested_digests([{"sha256": ["d"], "shard": k, "shards": 2} for k in range(2)]) == {"d"}
