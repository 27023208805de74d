"""Files that appear whole, and writers that say too little about a full disk."""

from __future__ import annotations

import errno
import shutil

import pytest

from steps.contract.errors import DataError
from steps.contract.files import full_disk_errors, sha256_file, sha256_tree, tree_digest, whole_folder, write_atomic


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    write_atomic(path, "old")
    with pytest.raises(TypeError):
        write_atomic(path, 3)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_folder_appears_whole_or_not_at_all_and_an_existing_one_stays(tmp_path):
    target = tmp_path / "model"
    with pytest.raises(DataError), whole_folder(target) as scratch:
        (scratch / "half").write_text("x")
        raise DataError("row 3")
    assert not list(tmp_path.iterdir())
    for text in ("first", "second"):
        with whole_folder(target) as scratch:
            (scratch / "file").write_text(text)
    assert (target / "file").read_text() == "first"
    assert sha256_tree(target) == tree_digest({"file": sha256_file(target / "file")})


def test_a_failure_of_native_code_on_a_full_disk_is_the_systems_error(tmp_path):
    free = shutil.disk_usage(tmp_path).free
    with pytest.raises(OSError) as failure, full_disk_errors(tmp_path, 2 * free):
        raise RuntimeError("iostream error")
    assert failure.value.errno == errno.ENOSPC and failure.value.filename == str(tmp_path)
    with pytest.raises(RuntimeError), full_disk_errors(tmp_path, 0):
        raise RuntimeError("iostream error")
    with pytest.raises(DataError), full_disk_errors(tmp_path, 2 * free):
        raise DataError("row 3")
