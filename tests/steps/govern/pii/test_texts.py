from __future__ import annotations

import pytest

from steps.govern.pii import scan
from steps.govern.pii.texts import entropy, is_placeholder


def test_entropy():
    assert entropy("") == entropy("aaaa") == 0
    assert entropy("abcd") == 2


@pytest.mark.parametrize(
    "value", ["<TOKEN>", "${SECRET}", "your_api_key", "os.environ['X']", "None", "required", "********", "call_abc123", "string"]
)
def test_placeholders(value):
    assert is_placeholder(value)


@pytest.mark.parametrize("value", ["Str0ng!Pass", "hunter2x", "tokenX99!"])
def test_secrets_are_no_placeholders(value):
    assert not is_placeholder(value)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        ("//registry.example.com/:_authToken=abcd1234efgh5678ijkl", "abcd1234efgh5678ijkl"),
        ("Server=db;User Id=sa;Password=Passw0rd!;", "Passw0rd!"),
        ('passwd "S3cure Pass"', "S3cure Pass"),
        ("das Passwort lautet geheim123", "geheim123"),
        ("パスワードはabc12345です", "abc12345"),
        ("redis://:p4ssw0rd@cache:6379", "p4ssw0rd"),
        ("curl -u admin:s3cr3tPw https://x.example", "s3cr3tPw"),
    ],
)
def test_secret_is_found_as_a_whole(text, secret):
    start = text.index(secret)
    assert any(
        item.start <= start and item.end >= start + len(secret) for item in scan.find(text) if item.kind in ("secret", "credentials")
    )


@pytest.mark.parametrize(
    "text",
    [
        "The password must be at least 8 characters long",
        "Bearer token authentication is used",
        "https://example.com:8443/path@v2",
        "git@github.com:org/repo.git",
        "password = os.environ['DB_PASSWORD']",
        "secret santa 2024",
    ],
)
def test_words_about_secrets_are_none(text):
    assert scan.find(text) == []
