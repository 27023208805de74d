from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from steps.contract.errors import ConfigError, DataError
from steps.contract.refs import ArtifactRef, ModelRef
from steps.release.model_pin import INITIAL, Pin, parse_pin, pin_of, pin_path, replace_pin

FILE = """\
# Who reads this: Argo CD.

model:   # the pin
  name: agent-model
  version: 2   # registry version
  uri: 's3://models/a#b'
  sha256: "1111111111111111111111111111111111111111111111111111111111111111"  # of all files
# end
"""


def pin(**overrides):
    return Pin(**{"name": "agent-model", "version": 3, "uri": "s3://models/c", "sha256": "2e" * 32, **overrides})


def test_only_the_values_change():
    changed = replace_pin(FILE, pin(), "model.yaml")
    assert changed == (
        FILE.replace("version: 2", "version: 3").replace("'s3://models/a#b'", '"s3://models/c"').replace("1" * 64, "2e" * 32)
    )


def test_the_initial_file_is_nothing_released():
    start = INITIAL.format(name="agent-model")
    assert parse_pin(start, "model.yaml").ref is None
    assert parse_pin(replace_pin(start, pin(), "model.yaml"), "model.yaml") == pin()


def test_windows_line_ends_are_kept():
    text = FILE.replace("\n", "\r\n")
    changed = replace_pin(text, pin(), "model.yaml")
    assert changed.count("\r\n") == changed.count("\n") == text.count("\n")
    assert parse_pin(changed, "model.yaml") == pin()


@pytest.mark.parametrize("digest", ["0" * 64, "1e" + "0" * 62, "12" * 32])
def test_a_digest_that_looks_like_a_number_stays_text(digest):
    assert parse_pin(replace_pin(FILE, pin(sha256=digest), "model.yaml"), "model.yaml").sha256 == digest


@given(uri=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60), version=st.integers(0, 10**6))
def test_any_value_is_read_back(uri, version):
    changed = replace_pin(FILE, pin(uri=uri, version=version), "model.yaml")
    assert parse_pin(changed, "model.yaml") == pin(uri=uri, version=version)
    assert replace_pin(changed, pin(), "model.yaml") == replace_pin(FILE, pin(), "model.yaml")


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("a: [", "not YAML"),
        ("", "one mapping"),
        ("- 1", "one mapping"),
        (FILE + "other: 1\n", "one mapping"),
        (FILE.replace("version: 2", "version: two"), "model.version"),
        (FILE.replace("version: 2", "version: '2'"), "model.version"),
        (FILE.replace("version: 2", "version: -2"), "model.version"),
        (FILE.replace("  version: 2   # registry version\n", ""), "model.version"),
        (FILE.replace("# end", "  replicas: 3"), "model.replicas"),
        (FILE.replace("1" * 64, "short"), "model.sha256"),
    ],
)
def test_a_malformed_file_is_refused(broken, message):
    with pytest.raises(DataError, match=message):
        replace_pin(broken, pin(), "model.yaml")


def test_flow_style_is_refused_rather_than_guessed():
    flow = f"model: {{name: agent-model, version: 2, uri: a, sha256: '{'1' * 64}'}}\n"
    assert yaml.safe_load(flow)
    with pytest.raises(DataError, match="one line each"):
        replace_pin(flow, pin(), "model.yaml")


def test_a_uri_that_is_no_uri_is_refused():
    with pytest.raises(DataError, match="percent-encode"):
        pin_of(ModelRef(name="agent-model", version=1), ArtifactRef(uri="file:///a b\n", sha256="1" * 64))


@pytest.mark.parametrize("name", ["../prod", "a/b", "", "Prod", "-a"])
def test_an_environment_is_one_path_part(name):
    with pytest.raises(ConfigError, match="release.environment"):
        pin_path(name)
