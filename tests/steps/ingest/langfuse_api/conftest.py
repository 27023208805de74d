"""A server and what a pull of it wrote."""

from __future__ import annotations

import gzip
import json
from datetime import date

import pytest

from steps.contract.config import IngestConfig
from steps.ingest.langfuse_api.pull import pull_source

from .server import KEYS, Langfuse, serve


@pytest.fixture
def langfuse():
    return Langfuse()


@pytest.fixture
def source(langfuse):
    with serve(langfuse) as uri:
        yield uri


@pytest.fixture
def raw(tmp_path):
    return tmp_path / "raw"


@pytest.fixture
def pull(source, raw, langfuse):
    """Pull at a time, which is the server's time, too."""

    def run(now, *, source=source, environ=KEYS, **settings):
        langfuse.now = max(langfuse.now, now)
        config = IngestConfig(**{"langfuse_since": date(2026, 11, 28), **settings})
        return pull_source(source, str(raw), now, config, environ=environ, sleep=lambda seconds: None)

    return run


@pytest.fixture
def pages(raw):
    """Rows of every page object, by its name."""

    def read():
        files = sorted(raw.rglob("pages/**/*.jsonl.gz"))
        return {path.name: [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()] for path in files}

    return read
