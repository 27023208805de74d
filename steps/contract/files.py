"""Atomic files and content digests: what a killed step leaves is whole or absent."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from steps.contract.errors import PipelineError


def write_atomic(path: Path, data: bytes | str, *, mode: int = 0o644) -> None:
    """Replace `path` by `data`: readers see the old file or the new one, never a part.

    Raises:
        OSError: the folder is not writable or the disk is full; `path` is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = data.encode() if isinstance(data, str) else data
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically; keys keep their order."""
    write_atomic(path, json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n")


def read_json(path: Path) -> Any:
    """Read one JSON document."""
    return json.loads(path.read_text(encoding="utf-8"))


def canonical_json(value: Any) -> str:
    """One text for one value on every machine: sorted keys, no spaces, UTF-8 kept."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def sha256_text(text: str) -> str:
    """Hex SHA-256 of a text's UTF-8 bytes (lone surrogates are replaced)."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file's bytes, read in blocks of 1 MiB."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def sha256_tree(folder: Path) -> str:
    """Hex SHA-256 over the relative names and contents of all files under `folder`."""
    return tree_digest({path.relative_to(folder).as_posix(): sha256_file(path) for path in folder.rglob("*") if path.is_file()})


def tree_digest(files: Mapping[str, str]) -> str:
    """The same from relative names and the hex SHA-256 of each file."""
    digest = hashlib.sha256()
    for name in sorted(files, key=PurePosixPath):
        digest.update(f"{name}\0{files[name]}\n".encode())
    return digest.hexdigest()


@contextlib.contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Yield a scratch folder beside `target` that becomes `target` when the block ends well.

    An existing `target` is kept (content-addressed: same name, same content).
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as scratch:
        work = Path(scratch) / "content"
        work.mkdir()
        yield work
        if not target.exists():
            work.replace(target)


@contextlib.contextmanager
def full_disk_errors(folder: Path, size_bytes: int) -> Iterator[None]:
    """Give writers in native code (safetensors, tokenizers, torch), which drop the number of a failure, that of a full disk.

    Args:
        folder: on the disk that is written to.
        size_bytes: what one file needs. Such a writer may take its partial file away, so that nothing else is left to see.

    Raises:
        OSError: ENOSPC; the block failed and less than `size_bytes` are free.
    """
    try:
        yield
    except (OSError, PipelineError):
        raise
    except Exception as error:
        if shutil.disk_usage(folder).free < size_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)) from error
        raise
