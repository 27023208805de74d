"""Parsing of a judge's answers and refusals: statuses, waiting times, keys, bare JSON, vectors. No I/O but the key file."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np

from steps.contract.errors import AccessError, ConfigError
from steps.contract.retry_after import retry_after_s

RETRIED = frozenset((408, 409, 425, 429))


class JudgeAnswerError(Exception):
    """The judge answered, but not with what was asked for. Names the reason, never the text."""


class RetryableError(Exception):
    """A failure worth another try; `after` is what the server asked to wait, in seconds."""

    def __init__(self, reason: str, after: float | None = None, outage: bool = True) -> None:
        super().__init__(reason)
        self.after, self.outage = after, outage


def bare_json(text: str) -> str:
    """The JSON object in a model's answer: what follows the last `</think>`, from the first brace to the last."""
    text = text[text.rfind("</think>") + 8 :] if "</think>" in text else text
    start, end = text.find("{"), text.rfind("}")
    if start < 0 or end < start:
        raise ValueError("no JSON object in the answer")
    return text[start : end + 1]


def check_status(status: int, retry_after: str | None, url: str, model: str) -> None:
    """Raise what a status other than 200 stands for."""
    if status == 200:
        return
    if status in (401, 403):
        raise AccessError(f"judge {url}: HTTP {status}: mount a valid key and name its file in api_key_file")
    if status == 404:
        raise ConfigError(f"judge {url}: HTTP 404: check base_url (it ends in /v1) and that the server has the model {model}")
    if status in RETRIED or status >= 500:
        raise RetryableError(f"HTTP {status}", retry_after_s(retry_after))
    raise JudgeAnswerError(f"the judge refused the request with HTTP {status}")


def authorization(api_key_file: str) -> dict[str, str]:
    """The header with the mounted key; none without a file."""
    if not api_key_file:
        return {}
    try:
        key = Path(api_key_file).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise ConfigError(f"api_key_file {api_key_file}: no such file: mount the secret or leave api_key_file empty") from None
    except PermissionError:
        raise AccessError(f"api_key_file {api_key_file}: not readable: grant this user access to the mounted secret") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"api_key_file {api_key_file}: not a text file ({type(error).__name__})") from error
    if not key or not key.isprintable():
        raise ConfigError(f"api_key_file {api_key_file}: must hold one line with the key")
    return {"authorization": f"Bearer {key}"}


def vectors(document: Any, count: int) -> list[Any]:
    """Vectors of an embeddings answer in the order of the texts; a zero or odd one is not acceptable."""
    rows = sorted(document["data"], key=lambda row: row["index"])
    if [row["index"] for row in rows] != list(range(count)):
        raise ValueError("wrong number of embeddings")
    parsed = []
    for row in rows:
        value = row["embedding"]
        vector = np.frombuffer(base64.b64decode(value), "<f4") if isinstance(value, str) else np.asarray(value, "f4")
        if vector.ndim != 1 or not np.isfinite(vector).all() or not vector.any():
            raise ValueError("not an embedding")
        parsed.append(vector)
    return parsed
