from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime

import pytest

from steps.contract.config import IngestConfig
from steps.ingest.langfuse_api.pull import pull_source

from .server import KEYS, observation

DAY = datetime(2026, 11, 28, tzinfo=UTC)
CONFIG = IngestConfig(langfuse_since=date(2026, 11, 28))


@pytest.fixture
def bucket(monkeypatch):
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    for name, value in {
        "AWS_ENDPOINT_URL": "http://{}:{}".format(*server.get_host_and_port()),
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="langfuse-raw", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    yield client
    for entry in client.list_objects_v2(Bucket="langfuse-raw").get("Contents", ()):
        client.delete_object(Bucket="langfuse-raw", Key=entry["Key"])
    client.delete_bucket(Bucket="langfuse-raw")
    server.stop()


def _pull(source, raw, now):
    return pull_source(source, raw, now, CONFIG, environ=KEYS, sleep=lambda seconds: None)


def test_pages_stand_in_a_bucket(bucket, langfuse, source):
    langfuse.now = DAY.replace(hour=12)
    assert _pull(source, "s3://langfuse-raw/prod", DAY.replace(minute=30)).folder == "", "there is nothing to list"
    langfuse.rows.append((DAY, "observations", observation(DAY.replace(minute=20), "o1")))
    result = _pull(source, "s3://langfuse-raw/prod", DAY.replace(minute=45))
    assert (result.folder.startswith("s3://langfuse-raw/prod/langfuse/127.0.0.1_"), result.objects) == (True, 1)
    prefix = result.folder.removeprefix("s3://langfuse-raw/") + "/"
    (page,) = bucket.list_objects_v2(Bucket="langfuse-raw", Prefix=prefix)["Contents"]
    body = bucket.get_object(Bucket="langfuse-raw", Key=page["Key"])["Body"].read()
    assert json.loads(gzip.decompress(body))["id"] == "o1"
    assert _pull(source, "s3://langfuse-raw/prod", DAY.replace(hour=3)).rows == 0, "the state in the bucket is kept"
    assert _pull(source, "s3://langfuse-raw/prod", DAY.replace(hour=3)).folder == result.folder
