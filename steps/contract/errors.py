"""Typed errors and the exit codes that every command of `ctp` keeps.

The codes follow BSD `sysexits.h`: an orchestrator retries `EXIT_TRANSIENT` and
lost pods, and nothing else. A failed gate is a result (exit 0), not an error.
"""

from __future__ import annotations

import errno
import sqlite3

EXIT_OK = 0
EXIT_BUG = 1
EXIT_USAGE = 64
EXIT_DATA = 65
EXIT_TRANSIENT = 75
EXIT_ACCESS = 77
EXIT_CONFIG = 78


class PipelineError(Exception):
    """Base of every error a user can cause or must act on.

    The message is one line that names the file, row or field and the remedy.
    """

    exit_code = EXIT_BUG
    headline = "Internal error"


class UsageError(PipelineError):
    """The command line asks for something that does not exist."""

    exit_code = EXIT_USAGE
    headline = "Usage error"


class DataError(PipelineError):
    """Input that cannot be read or breaks a contract; a retry cannot help."""

    exit_code = EXIT_DATA
    headline = "Bad data"


class TransientError(PipelineError):
    """Something outside is unreachable, busy or full; the same call may work later."""

    exit_code = EXIT_TRANSIENT
    headline = "Temporary failure"


class AccessError(PipelineError):
    """A credential or permission is missing."""

    exit_code = EXIT_ACCESS
    headline = "Access denied"


class ConfigError(PipelineError):
    """The configuration is wrong: unknown key, value out of bounds, clash of fields."""

    exit_code = EXIT_CONFIG
    headline = "Configuration error"


def _causes(error: BaseException) -> list[BaseException]:
    """The error and everything it was raised from, outermost first."""
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain:
        chain.append(current)
        current = current.__cause__ or current.__context__
    return chain


def _disk_is_full(error: BaseException) -> bool:
    """By the operating system's number, or SQLite's; its extended codes hold the primary one in the low byte."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL


def classify(error: BaseException) -> PipelineError | None:
    """The typed error of an environment failure, by type and number; None means it is a bug.

    Storage libraries wrap `OSError` and `sqlite3.Error` in their own types, so the whole cause chain
    is searched.
    """
    for cause in _causes(error):
        if isinstance(cause, PipelineError):
            return cause
        if _disk_is_full(cause):
            where = getattr(cause, "filename", None) or "the working directory"
            return TransientError(f"no space left on the disk of {where}: free some space and run the same command again")
        if isinstance(cause, PermissionError):
            return AccessError(f"no permission for {cause.filename or cause}: grant access to it and run the same command again")
    return None
