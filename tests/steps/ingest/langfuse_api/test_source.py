from __future__ import annotations

import pytest

from steps.contract.errors import ConfigError
from steps.ingest.langfuse_api.raw import open_raw
from steps.ingest.langfuse_api.source import LangfuseSource, parse_source


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("langfuse://cloud.langfuse.com/shop", LangfuseSource("https://cloud.langfuse.com", "cloud.langfuse.com/shop", False)),
        ("langfuse://Host.Example:8443/my shop", LangfuseSource("https://host.example:8443", "host.example_8443/my shop", False)),
        ("langfuse://localhost:3000/shop", LangfuseSource("http://localhost:3000", "localhost_3000/shop", False)),
        ("langfuse://localhost/shop?scheme=https", LangfuseSource("https://localhost", "localhost/shop", False)),
        ("langfuse://langfuse-web.monitoring:3000/shop?scheme=http&only=scores",)
        + (LangfuseSource("http://langfuse-web.monitoring:3000", "langfuse-web.monitoring_3000/shop", True),),
        ("langfuse://[::1]:3000/shop", LangfuseSource("http://[::1]:3000", "___1__3000/shop", False)),
    ],
)
def test_sources(uri, expected):
    assert parse_source(uri) == expected


@pytest.mark.parametrize(
    "uri",
    [
        "langfuse://host",
        "langfuse:///shop",
        "langfuse://host/a/b",
        "langfuse://host/..",
        "langfuse://host:port/shop",
        "langfuse://host/shop?scheme=ftp",
        "langfuse://host/shop?only=traces",
        "langfuse://host/shop?limit=3",
        "langfuse://host/shop?x",
        "langfuse://host/shop#part",
        "langfuse://[host/shop",
        "https://host/shop",
    ],
)
def test_malformed_sources(uri):
    with pytest.raises(ConfigError, match=r"langfuse://HOST/PROJECT|Invalid"):
        parse_source(uri)


def test_keys_in_a_source_are_refused_and_not_repeated():
    with pytest.raises(ConfigError) as refusal:
        parse_source("langfuse://pk-lf-1:sk-lf-secret@host/shop")
    assert "sk-lf-secret" not in str(refusal.value)


def test_raw_places(tmp_path):
    raw = open_raw(tmp_path.as_uri())
    assert raw.read("a/b") is None
    assert not raw.has_any("a")
    raw.write("a/b", b"1")
    assert (raw.read("a/b"), raw.has_any("a"), raw.uri("a/b")) == (b"1", True, (tmp_path / "a/b").as_uri())
    raw.delete("a/b")
    raw.delete("a/b")
    assert raw.read("a/b") is None
    with pytest.raises(ConfigError, match="s3://BUCKET/PREFIX"):
        open_raw("gs://bucket/raw")
