from __future__ import annotations

import gzip
import os

import pytest

from steps.contract.errors import AccessError, DataError
from steps.store.sources import complete_exports, inspect_file, list_source, local_path, open_source


@pytest.fixture
def folder(tmp_path):
    for name in ("b/2.jsonl", "a/1.json.gz", "c.binpb", "d.parquet", "e.ndjson", "notes.txt", ".hidden.jsonl", "with space#1.jsonl"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"{}")
    return tmp_path


def test_folder_is_searched_recursively(folder):
    listed = [local_path(uri).relative_to(folder).as_posix() for uri in list_source(str(folder))]
    assert listed == ["a/1.json.gz", "b/2.jsonl", "c.binpb", "d.parquet", "e.ndjson", "with space#1.jsonl"]
    assert list_source(folder.as_uri()) == list_source(str(folder))


def test_a_file_is_itself_whatever_its_name(folder):
    (uri,) = list_source(str(folder / "notes.txt"))
    with open_source(uri) as stream:
        assert stream.read() == b"{}"


@pytest.mark.parametrize("source", ["/does/not/exist", "file:///does/not/exist", "gopher://x/y", "a\0b", "x" * 5000])
def test_source_that_is_not_there_is_named(source):
    with pytest.raises(DataError, match="source"):
        list_source(source)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything, so there is nothing to be refused")
def test_source_without_permission_is_an_access_error(folder):
    (folder / "b").chmod(0)
    with pytest.raises(AccessError, match="b"):
        list_source(str(folder))


def test_refused_listing_and_reading_are_access_errors(folder, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied", "x")

    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(AccessError, match="grant read access"):
        inspect_file((folder / "c.binpb").as_uri())


def test_only_windows_with_a_manifest_count():
    base = "s3://bucket/prefix/project"
    ready = [f"{base}/observations_v2/2026-08-01T00-00-00.jsonl.gz", f"{base}/scores/2026-08-01T00-00-00.jsonl.gz"]
    pending = [f"{base}/observations_v2/2026-08-01T01-00-00.jsonl.gz"]
    other = ["s3://bucket/otlp/traces_1.json"]
    assert complete_exports([*ready, *pending, *other, f"{base}/manifests/2026-08-01T00-00-00.json"]) == ([*ready, *other], 1)
    assert complete_exports([*ready, *pending]) == ([*ready, *pending], 0)


@pytest.mark.parametrize(
    ("name", "head", "kind"),
    [
        ("a.jsonl", b'{"resourceSpans":[]}', "otlp"),
        ("a.json.gz", gzip.compress(b'{"resourceSpans":[]}', mtime=0), "otlp"),
        ("a.binpb", b"\x0a", "otlp"),
        ("a.jsonl", b'{"id":"1","trace_id":"2"}', "langfuse"),
        ("a.parquet", b"PAR1....", "langfuse"),
        ("a.jsonl", b'{"resourceMetrics":[]}', "other"),
        ("a.jsonl", b"rubbish", "unknown"),
        ("a.jsonl.gz", b"rubbish", "unknown"),
    ],
)
def test_first_look(tmp_path, name, head, kind):
    path = tmp_path / name
    path.write_bytes(head)
    item = inspect_file(path.as_uri())
    assert (item.format, item.file.bytes) == (kind, len(head))


def test_files_of_one_export_window_are_one_group(tmp_path):
    groups = set()
    for table in ("observations_v2", "scores"):
        path = tmp_path / "p" / table / "2026-08-01T00-00-00.jsonl"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"{}")
        groups.add(inspect_file(path.as_uri()).group)
    assert len(groups) == 1
