from __future__ import annotations

import base64
import struct

import pytest

from steps.contract.errors import AccessError, ConfigError
from steps.scoring.responses import JudgeAnswerError, RetryableError, authorization, bare_json, check_status, vectors


@pytest.mark.parametrize(
    "text",
    ['{"a": 1}', '```json\n{"a": 1}\n```', '<think>{"b": 2}</think>\n{"a": 1}', 'Sure! {"a": 1} Hope this helps'],
)
def test_bare_json(text):
    assert bare_json(text) == '{"a": 1}'


@pytest.mark.parametrize("text", ["", "no object", "}{", "<think>{}</think>"])
def test_no_json(text):
    with pytest.raises(ValueError, match="JSON"):
        bare_json(text)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, AccessError),
        (403, AccessError),
        (404, ConfigError),
        (408, RetryableError),
        (429, RetryableError),
        (500, RetryableError),
        (503, RetryableError),
        (400, JudgeAnswerError),
    ],
)
def test_statuses(status, error):
    with pytest.raises(error, match=str(status)):
        check_status(status, None, "http://judge/v1", "m")


def test_200_is_fine():
    check_status(200, None, "http://judge/v1", "m")


def test_key_file(tmp_path):
    file = tmp_path / "key"
    assert authorization("") == {}
    with pytest.raises(ConfigError, match="no such file"):
        authorization(str(file))
    file.write_text("sk-1\n")
    assert authorization(str(file)) == {"authorization": "Bearer sk-1"}
    for broken in ("", "two\nlines"):
        file.write_text(broken)
        with pytest.raises(ConfigError, match="one line"):
            authorization(str(file))
    with pytest.raises(ConfigError):
        authorization(str(tmp_path))


def embedding(*rows):
    return {"data": [{"index": index, "embedding": value} for index, value in rows]}


def test_vectors_in_order_and_both_encodings():
    packed = base64.b64encode(struct.pack("<2f", 3.0, 4.0)).decode()
    found = vectors(embedding((1, [1.0, 2.0]), (0, packed)), 2)
    assert [vector.tolist() for vector in found] == [[3.0, 4.0], [1.0, 2.0]]


@pytest.mark.parametrize(
    "document", [embedding(), embedding((0, [0.0, 0.0])), embedding((0, [float("nan")])), embedding((1, [1.0])), embedding((0, []))]
)
def test_unusable_vectors_are_refused(document):
    with pytest.raises(ValueError, match="embedding"):
        vectors(document, 1)
