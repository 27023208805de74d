from __future__ import annotations

import os

import pytest

from steps.contract.errors import AccessError, DataError
from steps.store.raw_objects import list_source
from steps.store.sources import local_path


def names(source):
    return [item.uri for item in list_source(source).objects]


@pytest.fixture
def folder(tmp_path):
    for name in ("b/2.jsonl", "a/1.json.gz", "c.binpb", "d.parquet", "e.ndjson", "notes.txt", ".hidden.jsonl", "with space#1.jsonl"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"{}")
    return tmp_path


def test_folder_is_searched_recursively(folder):
    listed = [local_path(uri).relative_to(folder).as_posix() for uri in names(str(folder))]
    assert listed == ["a/1.json.gz", "b/2.jsonl", "c.binpb", "d.parquet", "e.ndjson", "notes.txt", "with space#1.jsonl"]
    assert names(folder.as_uri()) == names(str(folder))


def test_links_and_pipes_are_no_files_of_a_source(folder, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "secret.jsonl"
    outside.write_bytes(b"{}")
    before = names(str(folder))
    (folder / "link.jsonl").symlink_to(outside)
    os.mkfifo(folder / "pipe.jsonl")
    assert names(str(folder)) == before


def test_a_changed_file_is_another_version(folder):
    before = {item.uri: item.etag for item in list_source(str(folder)).objects}
    (folder / "c.binpb").write_bytes(b"[]")
    after = {item.uri: item.etag for item in list_source(str(folder)).objects}
    assert [uri.rpartition("/")[2] for uri in after if after[uri] != before[uri]] == ["c.binpb"]


@pytest.mark.parametrize("source", ["/does/not/exist", "file:///does/not/exist", "gopher://x/y", "a\0b", "x" * 5000])
def test_source_that_is_not_there_is_named(source):
    with pytest.raises(DataError, match="source"):
        names(source)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything, so there is nothing to be refused")
def test_source_without_permission_is_an_access_error(folder):
    (folder / "b").chmod(0)
    with pytest.raises(AccessError, match="b"):
        names(str(folder))
