"""Failures of the environment are told by type and number, whatever their text says."""

from __future__ import annotations

import errno
import sqlite3

import pytest

from steps.contract.errors import AccessError, DataError, TransientError, classify


def wrapped(cause: BaseException) -> Exception:
    """As a storage library gives it: in a type of its own."""
    try:
        try:
            raise cause
        except BaseException as error:
            raise ValueError("it did not work") from error
    except ValueError as error:
        return error


def full_database(tmp_path) -> sqlite3.Error:
    """The error of a database that may not grow."""
    with sqlite3.connect(tmp_path / "small.db") as database:
        database.execute("pragma max_page_count = 3")
        database.execute("create table t (a)")
        with pytest.raises(sqlite3.Error) as failure:
            database.execute("insert into t values (randomblob(100000))")
    database.close()
    return failure.value


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_by_the_systems_number(code):
    error = classify(wrapped(OSError(code, "kein Platz mehr", "/data/x")))
    assert isinstance(error, TransientError) and "/data/x" in str(error)


def test_a_full_database_is_told_by_its_code(tmp_path):
    assert isinstance(classify(wrapped(full_database(tmp_path))), TransientError)


def test_arrow_gives_the_systems_number():
    import pyarrow as pa

    with pytest.raises(OSError, match="/dev/full|28") as failure, pa.OSFile("/dev/full", "wb") as file:
        file.write(b"x" * 100_000)
    assert isinstance(classify(failure.value), TransientError)


@pytest.mark.parametrize("text", ["No space left on device", "database or disk is full", "Permission denied"])
def test_words_decide_nothing(text):
    assert classify(ValueError(text)) is None
    assert classify(sqlite3.OperationalError(text)) is None


def test_a_permission_and_a_typed_error_are_taken_from_anywhere_in_the_chain():
    assert isinstance(classify(wrapped(PermissionError(errno.EACCES, "no", "/data/y"))), AccessError)
    assert str(classify(wrapped(DataError("line 3: no text")))) == "line 3: no text"
