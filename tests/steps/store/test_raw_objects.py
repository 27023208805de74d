from __future__ import annotations

import gzip
import os
from datetime import UTC, datetime, timedelta

import pytest

from steps.contract.errors import AccessError, DataError
from steps.store.export_windows import complete_exports, period_of
from steps.store.raw_objects import RawObject, list_source
from steps.store.raw_streams import bucket_of, open_object
from steps.store.sources import local_path

NOW = datetime(2026, 8, 3, 12, 0, tzinfo=UTC)


def names(listing, root):
    return [local_path(item.uri).relative_to(root).as_posix() for item in listing.objects]


def read(item):
    with open_object(item.uri, item.etag, item.bytes) as stream:
        return stream.read()


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "source"
    for name in ("b/2.jsonl", "a/1.csv", "c", "d.log", ".hidden", ".git/x.jsonl", "with space#1?.jsonl"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return root


def test_every_file_of_any_name_is_listed_and_hidden_ones_are_not(folder):
    listing = list_source(str(folder))
    assert names(listing, folder) == ["a/1.csv", "b/2.jsonl", "c", "d.log", "with space#1?.jsonl"]
    assert {read(item).decode() for item in listing.objects} == set(names(listing, folder))
    assert list_source(folder.as_uri()) == listing
    assert names(list_source(str(folder / ".hidden")), folder) == [".hidden"]


def test_name_that_is_no_utf8_is_read(folder):
    (folder / os.fsdecode(b"\xff\xfe.jsonl")).write_bytes(b"odd")
    odd = next(item for item in list_source(str(folder)).objects if "%FF%FE" in item.uri)
    assert read(odd) == b"odd"


def test_links_lead_nowhere_but_inside(folder, tmp_path):
    (tmp_path / "secret").write_text("root:x:0")
    (folder / "out").symlink_to(tmp_path / "secret")
    (folder / "outer").symlink_to(tmp_path)
    (folder / "loop").symlink_to(folder)
    (folder / "gone").symlink_to(folder / "nothing")
    (folder / "self").symlink_to(folder / "self")
    (folder / "again").symlink_to(folder / "c")
    (folder / "..data").mkdir()
    (folder / "..data" / "v.jsonl").write_text("v")
    (folder / "v.jsonl").symlink_to(folder / "..data" / "v.jsonl")
    os.mkfifo(folder / "pipe")
    listing = list_source(str(folder))
    assert names(listing, folder) == ["..data/v.jsonl", "a/1.csv", "b/2.jsonl", "c", "d.log", "with space#1?.jsonl"]
    assert [(local_path(item.uri).name, item.reason) for item in listing.passed_over] == [
        ("gone", "symlink-broken"),
        ("out", "symlink-outside"),
        ("outer", "symlink-outside"),
        ("pipe", "not-a-file"),
        ("self", "symlink-broken"),
    ]


def test_pipe_in_the_place_of_a_file_does_not_block(folder):
    item = list_source(str(folder / "c")).objects[0]
    (folder / "c").unlink()
    os.mkfifo(folder / "c")
    with pytest.raises(DataError, match="not the file that was listed"):
        read(item)


def test_etag_follows_the_content_and_only_listed_bytes_are_read(folder):
    before = list_source(str(folder / "c")).objects[0]
    with (folder / "c").open("ab") as stream:
        stream.write(b" grew")
    after = list_source(str(folder / "c")).objects[0]
    assert after.etag != before.etag
    assert (read(before), read(after)) == (b"c", b"c grew")
    with open_object(before.uri, before.etag, before.bytes) as stream:
        assert (stream.seek(0, 2), stream.read(), stream.seek(0), stream.read(9)) == (1, b"", 0, b"c")


def test_shorter_or_other_file_is_refused(folder):
    item = list_source(str(folder / "d.log")).objects[0]
    (folder / "d.log").write_bytes(b"")
    with pytest.raises(DataError, match="run ingest again"):
        read(item)
    (folder / "d.log").unlink()
    with pytest.raises(DataError, match="no longer there"):
        read(item)


@pytest.mark.parametrize("source", ["/does/not/exist", "file:///does/not/exist", "gopher://x/y", "a\0b", "x" * 5000])
def test_source_that_is_not_there_is_named(source):
    with pytest.raises(DataError, match="source"):
        list_source(source)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything, so there is nothing to be refused")
def test_folder_without_permission_is_an_access_error(folder):
    (folder / "b").chmod(0)
    with pytest.raises(AccessError, match="b"):
        list_source(str(folder))


@pytest.mark.parametrize(
    ("path", "period"),
    [
        ("x/year=2026/month=02/day=03/hour=04/minute=05/t.json", (datetime(2026, 2, 3, 4, 5), datetime(2026, 2, 3, 4, 6))),
        ("year=2026/month=12/day=31/hour=23/t", (datetime(2026, 12, 31, 23), datetime(2027, 1, 1))),
        ("year=2026/month=2/day=28/t", (datetime(2026, 2, 28), datetime(2026, 3, 1))),
        ("year=2026/month=12/t", (datetime(2026, 12, 1), datetime(2027, 1, 1))),
        ("year=2026/t", (datetime(2026, 1, 1), datetime(2027, 1, 1))),
        ("year=2026/month=13/t", None),
        ("year=0000/t", None),
        ("year=9999/month=12/day=31/t", None),
        ("lastyear=2026/t", None),
    ],
)
def test_period_of_a_folder(path, period):
    assert period_of(path) == (period and tuple(moment.replace(tzinfo=UTC) for moment in period))


def dated(root, moment, name="t.json.gz"):
    path = root / moment.strftime("year=%Y/month=%m/day=%d/hour=%H/minute=%M") / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"{}")
    return path


def test_watermark_counts_by_minute_folder_else_by_time(tmp_path):
    for minutes in (0, 1, 2, 3, 200, 50_000):
        dated(tmp_path / "otlp", NOW - timedelta(minutes=minutes))
    for name, age in (("old.csv", 60), ("new.csv", 1)):
        (tmp_path / name).write_text("x")
        moment = (NOW - timedelta(minutes=age)).timestamp()
        os.utime(tmp_path / name, (moment, moment))
    since = NOW - timedelta(minutes=2)
    listed = names(list_source(str(tmp_path), since), tmp_path)
    assert [name.partition("hour=")[2] or name for name in listed] == [
        "new.csv",
        *(f"{minute}/t.json.gz" for minute in ("11/minute=58", "11/minute=59", "12/minute=00")),
    ]


def object_at(uri, age=0):
    return RawObject(uri=uri, etag="e", bytes=1, last_modified=NOW - timedelta(hours=age))


def test_only_windows_with_a_manifest_count_and_gaps_are_told():
    project = "s3://bucket/prefix/project"

    def window(hour, tables=("observations_v2", "scores")):
        return [object_at(f"{project}/{table}/2026-08-01T{hour:02}-00-00.jsonl.gz") for table in tables]

    def manifest(hour):
        return object_at(f"{project}/manifests/2026-08-01T{hour:02}-00-00.json")

    def content(item):
        hour = int(item.uri[-13:-11])
        return b'{"version":1,"window":{"minTimestamp":"2026-08-01T%02d:00:00.000Z","maxTimestamp":"2026-08-01T%02d:00:00.000Z"}}' % (
            hour - 1,
            hour,
        )

    other = object_at("s3://bucket/otlp/manifests/traces_1.json")
    exports = complete_exports(
        [*window(1), *window(2), *window(4), *window(5), manifest(1), manifest(2), manifest(4), other],
        lambda item: b"{}" if item is other else content(item),
    )
    assert exports.complete == [*window(1), *window(2), *window(4), other]
    assert exports.pending == window(5)
    assert [(gap.project, gap.start.hour, gap.end.hour) for gap in exports.gaps] == [(project, 2, 3)]
    assert complete_exports(window(5), content).complete == window(5)


@pytest.fixture
def bucket(monkeypatch):
    boto3 = pytest.importorskip("boto3")
    from moto import mock_aws

    for name, value in (("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "x"), ("AWS_REGION", "eu-west-1")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket="raw", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        bucket_of.cache_clear()
        yield client
    bucket_of.cache_clear()


def keys(listing):
    return [item.uri.removeprefix("s3://raw/") for item in listing.objects]


def test_s3_is_listed_with_etags_and_read_by_range(bucket):
    body = os.urandom(9 << 20)
    for key, content in (("p/a b#?.jsonl", body), ("p/.hidden/x", b"x"), ("p/folder/", b""), ("p2/x", b"x"), ("p/empty", b"")):
        bucket.put_object(Bucket="raw", Key=key, Body=content)
    listing = list_source("s3://raw/p")
    assert keys(listing) == ["p/a b#?.jsonl", "p/empty"]
    item = listing.objects[0]
    assert (item.bytes, item.last_modified.tzinfo, item.etag) == (
        len(body),
        UTC,
        bucket.head_object(Bucket="raw", Key="p/a b#?.jsonl")["ETag"].strip('"'),
    )
    with open_object(item.uri, item.etag, item.bytes) as stream:
        assert stream.read(5) == body[:5]
        assert stream.seek(-7, 2) and stream.read() == body[-7:]
        stream.seek(0)
        assert stream.read() == body
    assert read(listing.objects[1]) == b""
    assert keys(list_source("s3://raw/p/a b#?.jsonl")) == ["p/a b#?.jsonl"]
    bucket.put_object(Bucket="raw", Key="p/a b#?.jsonl", Body=body[:-1] + bytes([body[-1] ^ 1]))
    with pytest.raises(DataError, match="not the object that was listed"):
        read(item)
    bucket.delete_object(Bucket="raw", Key="p/a b#?.jsonl")
    with pytest.raises(DataError):
        read(item)
    with pytest.raises(DataError, match="no such object or folder"):
        list_source("s3://raw/nothing")


def test_s3_watermark_walks_open_hours_and_whole_windows(bucket):
    for hours in (0, 1, 2, 30, 900):
        moment = NOW - timedelta(hours=hours)
        bucket.put_object(
            Bucket="raw", Key=moment.strftime("otlp/year=%Y/month=%m/day=%d/hour=%H/minute=%M/t.json.gz"), Body=gzip.compress(b"{}")
        )
    bucket.put_object(Bucket="raw", Key="otlp/year=2026/month=08/day=03/direct.json", Body=b"{}")
    for stamp in ("2026-08-03T10-00-00", "2026-08-03T11-00-00"):
        for name in (f"lf/p/observations_v2/{stamp}.jsonl", f"lf/p/manifests/{stamp}.json"):
            bucket.put_object(Bucket="raw", Key=name, Body=b"{}")
    listed = keys(list_source("s3://raw/", NOW - timedelta(minutes=90)))
    assert [key for key in listed if key.startswith("otlp")] == [
        "otlp/year=2026/month=08/day=03/direct.json",
        "otlp/year=2026/month=08/day=03/hour=11/minute=00/t.json.gz",
        "otlp/year=2026/month=08/day=03/hour=12/minute=00/t.json.gz",
    ]
    assert sum(key.startswith("lf/") for key in listed) == 4


def test_window_counts_as_a_whole_at_the_watermark():
    from steps.store.export_windows import keep_windows

    def files(stamp, age, manifest_age):
        return [object_at(f"s3://b/p/scores/{stamp}.csv", age), object_at(f"s3://b/p/manifests/{stamp}.json", manifest_age)]

    old, before, late, rewritten = files("1", 9, 9), files("2", 8, 8), files("3", 5, 1), files("0", 1, 9)
    kept = keep_windows([*old, *before, *late, *rewritten], NOW - timedelta(hours=2))
    assert sorted(item.uri for item in kept) == sorted(item.uri for item in [*late, *rewritten, before[1]])


@pytest.mark.parametrize("source", ["https://cloud.langfuse.com", "http://localhost:3000/project/x"])
def test_a_web_address_is_told_how_to_be_written(source):
    with pytest.raises(DataError, match="langfuse://HOST/PROJECT"):
        list_source(source)
