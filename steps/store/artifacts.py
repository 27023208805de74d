"""Artifacts by content: written under their digest, and read only as what their reference says."""

from __future__ import annotations

from pathlib import Path

from steps.contract.errors import DataError
from steps.contract.files import sha256_file, sha256_text, sha256_tree, write_atomic
from steps.contract.refs import ArtifactRef


def write_text(folder: Path, text: str, suffix: str = ".json") -> ArtifactRef:
    """Write a text as `folder/<digest><suffix>`; the same text is the same file."""
    digest = sha256_text(text)
    path = folder.absolute() / f"{digest}{suffix}"
    write_atomic(path, text)
    return ArtifactRef(uri=path.as_uri(), sha256=digest)


def read_text(ref: ArtifactRef, what: str, remedy: str) -> str:
    """The text of an artifact.

    Args:
        ref: which artifact.
        what: what it is, for the message, as in `the plan`.
        remedy: how to get it again, as in `run ingest again`.

    Raises:
        DataError: it is gone, or not the one referred to.
    """
    return read_named(Path(ref.local_path()), ref.sha256, what, remedy)


def read_named(path: Path, sha256: str, what: str, remedy: str) -> str:
    """The text of a file that must have a digest.

    Raises:
        DataError: it is gone, or has another digest.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DataError(f"{path}: {what} is gone: {remedy}") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: not {what} with SHA-256 {sha256[:12]}: {remedy}") from None
    if sha256_text(text) != sha256:
        raise DataError(f"{path}: not {what} with SHA-256 {sha256[:12]}: {remedy}")
    return text


def check_file(ref: ArtifactRef, what: str, remedy: str) -> Path:
    """The path of a file artifact, whose content is read once for its digest.

    Raises:
        DataError: it is gone, or not the one referred to.
    """
    path = Path(ref.local_path())
    if not path.is_file():
        raise DataError(f"{path}: {what} is gone: {remedy}")
    if sha256_file(path) != ref.sha256:
        raise DataError(f"{path}: not {what} with SHA-256 {ref.sha256[:12]}: {remedy}")
    return path


def check_folder(ref: ArtifactRef, what: str, remedy: str) -> Path:
    """The path of a folder artifact, whose files are read once for its digest.

    Raises:
        DataError: it is gone, or not the one referred to.
    """
    path = Path(ref.local_path())
    if not path.is_dir():
        raise DataError(f"{path}: {what} does not exist: {remedy}")
    if sha256_tree(path) != ref.sha256:
        raise DataError(f"{path}: not {what} with digest {ref.sha256[:12]}: {remedy}")
    return path
