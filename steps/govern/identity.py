"""Keyed hashes of users, and short values that are safe to store."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import hmac
import os
import re
import secrets
from pathlib import Path

from steps.contract.config import GovernConfig
from steps.contract.errors import AccessError, ConfigError
from steps.govern.pii.scan import Overflow, find

_KEY_BYTES = 32
_SAFE = re.compile(r"[A-Za-z0-9._:/@+-]{1,128}")
_WORD = re.compile(r"[a-z]{1,12}")
_OPAQUE = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_MAX_COUNT_DIGITS = 5
_ID_WORDS = {
    "session",
    "trace",
    "thread",
    "run",
    "chat",
    "conversation",
    "request",
    "message",
    "span",
    "turn",
    "test",
    "batch",
    "job",
    "task",
}


def load_key(config: GovernConfig, workdir: Path) -> bytes:
    """The key that hashes user ids: the configured file, else the one that the first run creates in the work folder.

    Without the same key the same user cannot be found again, for erasure least of all.

    Raises:
        ConfigError: the configured file is missing or shorter than 16 bytes.
        AccessError: the file may not be read.
    """
    path = Path(config.user_key_file) if config.user_key_file else workdir / "secrets" / "user.key"
    if not config.user_key_file:
        _create_key(path)
    try:
        key = path.read_bytes().strip()
    except FileNotFoundError:
        raise ConfigError(f"govern.user_key_file: {path}: no such file: mount the secret or leave the key empty") from None
    except PermissionError:
        raise AccessError(f"govern.user_key_file: {path}: no permission to read it") from None
    if len(key) < 16:
        raise ConfigError(f"govern.user_key_file: {path}: a key has at least 16 bytes, this one {len(key)}")
    return key


def _create_key(path: Path) -> None:
    """Create the key file, mode 0600, unless it exists: of two that race, one key stays."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    scratch = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_hex(_KEY_BYTES).encode())
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(scratch, path)
    finally:
        scratch.unlink()


def keyed_hash(key: bytes, value: str) -> str:
    """HMAC-SHA-256 of a value as 64 hex digits; "" for an empty value."""
    return hmac.new(key, value.encode("utf-8", "replace"), hashlib.sha256).hexdigest() if value else ""


@functools.lru_cache(maxsize=65536)
def safe_value(value: str) -> str:
    """A short technical value as it is, "" when it could be free text or personal data."""
    if not _SAFE.fullmatch(value):
        return ""
    try:
        return value if _OPAQUE.fullmatch(value) or not find(value, first=True) else ""
    except Overflow:
        return ""


def safe_session(key: bytes, value: str) -> str:
    """A session's id as it is when it is 32 hex digits, a UUID or plainly counted (`session-12`), else its keyed hash.

    Any other may be made of a person's name, number or day of birth, which no search tells from a random word.
    """
    return value if not value or _OPAQUE.fullmatch(value) or _is_counted(value) else keyed_hash(key, value)


def safe_id(key: bytes, value: str) -> str:
    """A trace's or span's id likewise; one short lower-case word stays, too: programs make these ids, not people."""
    return value if _WORD.fullmatch(value) else safe_session(key, value)


def _is_counted(value: str) -> bool:
    """Whether an id consists of short numbers and of words that name things of ours."""
    words = re.findall("[A-Za-z]+", value)
    digits = sum(map(str.isdigit, value))
    return digits <= _MAX_COUNT_DIGITS and safe_value(value) != "" and all(len(word) <= 2 or word.lower() in _ID_WORDS for word in words)
