from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from steps.contract.config import GovernConfig
from steps.contract.errors import ConfigError
from steps.govern.identity import keyed_hash, load_key, safe_id, safe_value


def test_key_is_made_once_for_the_owner_only(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: load_key(GovernConfig(), tmp_path), range(8)))
    assert len(keys) == 1
    path = tmp_path / "secrets" / "user.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["user.key"]


def test_configured_key(tmp_path):
    path = tmp_path / "key"
    with pytest.raises(ConfigError, match="no such file"):
        load_key(GovernConfig(user_key_file=str(path)), tmp_path)
    path.write_bytes(b"short")
    with pytest.raises(ConfigError, match="at least 16 bytes"):
        load_key(GovernConfig(user_key_file=str(path)), tmp_path)
    path.write_bytes(b"k" * 32 + b"\n")
    assert load_key(GovernConfig(user_key_file=str(path)), tmp_path) == b"k" * 32


def test_hash_depends_on_the_key():
    assert keyed_hash(b"a" * 16, "u") != keyed_hash(b"b" * 16, "u")
    assert len(keyed_hash(b"a" * 16, "u")) == 64
    assert keyed_hash(b"a" * 16, "") == ""


@pytest.mark.parametrize("value", ["bob@example.com", "010-1234-5678", "My name is Bob Stone", "x" * 200, "a b", "a\nb"])
def test_values_that_could_be_text_or_people_are_not_kept(value):
    assert safe_value(value) == ""
    assert safe_id(b"k" * 16, value) == keyed_hash(b"k" * 16, value)


@pytest.mark.parametrize("value", ["stop", "eu-west-1", "agent-model", "gpt-4o-2024-08-06", "meta-llama/Llama-3.1-8B-Instruct", "v1.2.3"])
def test_plain_tokens_are_kept(value):
    assert safe_value(value) == value


@pytest.mark.parametrize("value", ["ab" * 16, "550e8400-e29b-41d4-a716-446655440000"])
def test_random_ids_are_kept(value):
    assert safe_value(value) == safe_id(b"k" * 16, value) == value


@pytest.mark.parametrize("value", ["session-1", "t0", "run-2/turn-14"])
def test_counted_ids_are_kept(value):
    assert safe_id(b"k" * 16, value) == value


@pytest.mark.parametrize(
    "value",
    [
        "session-kim",
        "M12345678",
        "kim-minsu-19900101",
        "536904399",
        "8210123456780000",
        "hong.gildong-19850715",
        "john.smith.at.example.com",
    ],
)
def test_ids_that_may_be_made_of_a_person_are_hashed(value):
    assert safe_id(b"k" * 16, value) == keyed_hash(b"k" * 16, value)
