"""Typed errors and the exit codes that every command of `ctp` keeps.

The codes follow BSD `sysexits.h`: an orchestrator retries `EXIT_TRANSIENT` and
lost pods, and nothing else. A failed gate is a result (exit 0), not an error.
"""

from __future__ import annotations

import errno

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


def classify(error: BaseException) -> PipelineError | None:
    """Turn an environment failure into a typed error; None means it is a bug.

    Storage libraries wrap `OSError` in their own types, so the whole cause chain
    is searched, and SQLite's "disk is full" is recognised by its text.
    """
    for cause in _causes(error):
        if isinstance(cause, PipelineError):
            return cause
        text = str(cause)
        full = isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)
        if full or "No space left on device" in text or "database or disk is full" in text:
            where = getattr(cause, "filename", None) or "the working directory"
            return TransientError(f"no space left on the disk of {where}: free some space and run the same command again")
        if isinstance(cause, PermissionError):
            return AccessError(f"no permission for {cause.filename or text}: grant access to it and run the same command again")
    return None
