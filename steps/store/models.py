"""The model store: models by the digest of their files, where serving pods can fetch them.

Layout below `registry.model_store`: `production/<sha256>/…` holds the files of a model as
they are, and `production/<sha256>.json`, written last, names every file with its size and
digest: a model without it is not whole. Only models that passed the gate are put here. The
prefix is apart from those of checkpoints and candidates because S3 lifecycle rules know no
exclusions; see `workflows.generate.lifecycle`.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import orjson
from pydantic import Field, ValidationError

from steps.contract.errors import ConfigError, DataError, TransientError
from steps.contract.files import sha256_file, sha256_tree, tree_digest, write_atomic
from steps.contract.refs import ArtifactRef, Frozen
from steps.contract.spec import SILENT, Progress
from steps.store.objects import S3Objects, split_s3

PRODUCTION = "production"


class StoredFile(Frozen):
    """One file of a stored model."""

    path: str = Field(min_length=1)
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Manifest(Frozen):
    """All files of a stored model, in the order of their paths."""

    sha256: str
    files: tuple[StoredFile, ...] = Field(min_length=1)


class Objects(Protocol):
    """What the store needs of a place for objects; `steps.store.objects.S3Objects` is one, a folder another."""

    def read(self, key: str) -> bytes | None:
        """The content of a small object; None when there is none."""

    def write(self, key: str, content: bytes) -> None:
        """Put a small object."""

    def holds(self, key: str, sha256: str, size: int) -> bool:
        """Whether the object is there whole, with content of this digest."""

    def upload(self, path: Path, key: str, sha256: str) -> None:
        """Put a file whose digest is known."""

    def download(self, key: str, path: Path) -> None:
        """Write an object to a new file."""

    def keys(self, prefix: str) -> list[str]:
        """Keys that begin with `prefix`, in order."""

    def delete(self, keys: list[str]) -> None:
        """Delete objects; those that are gone are passed over."""


class FolderObjects:
    """Objects that are files below a folder: a shared volume, or a laptop."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, key: str) -> bytes | None:
        """The content of a small file; None when there is none."""
        path = self.root / key
        return path.read_bytes() if path.is_file() else None

    def write(self, key: str, content: bytes) -> None:
        """Put a small file, atomically."""
        write_atomic(self.root / key, content)

    def holds(self, key: str, sha256: str, size: int) -> bool:
        """Whether the file is there with this content."""
        path = self.root / key
        return path.is_file() and path.stat().st_size == size and sha256_file(path) == sha256

    def upload(self, path: Path, key: str, sha256: str) -> None:
        """Copy a file here; a reader sees it whole or not at all."""
        target = self.root / key
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as scratch:
            part = Path(scratch.name)
        try:
            shutil.copyfile(path, part)
            if sha256_file(part) != sha256:
                raise DataError(f"{path}: changed while it was copied: store the model again")
            part.chmod(0o644)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)

    def download(self, key: str, path: Path) -> None:
        """Copy a file from here."""
        if not (self.root / key).is_file():
            raise DataError(f"{self.root / key}: no such object: it was deleted, or never stored")
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.root / key, path)

    def keys(self, prefix: str) -> list[str]:
        """Paths below the root that begin with `prefix`, in order."""
        found = (path.relative_to(self.root).as_posix() for path in self.root.rglob("*") if path.is_file())
        return sorted(path for path in found if path.startswith(prefix))

    def delete(self, keys: list[str]) -> None:
        """Delete files, and folders that became empty."""
        for key in keys:
            path = self.root / key
            path.unlink(missing_ok=True)
            while path.parent != self.root and path.parent.is_dir() and not any(path.parent.iterdir()):
                path = path.parent
                path.rmdir()


def open_objects(uri: str) -> tuple[Objects, str]:
    """The place behind `file://…` or `s3://bucket/prefix`, and the key prefix in it.

    Raises:
        ConfigError: the URI has another scheme.
    """
    parts = urlsplit(uri)
    if parts.scheme == "file" and not parts.netloc and parts.path.strip("/"):
        return FolderObjects(Path(unquote(parts.path))), ""
    if parts.scheme == "s3":
        bucket, prefix = split_s3(uri)
        return S3Objects(bucket), f"{prefix}/" if prefix else ""
    raise ConfigError(f"registry.model_store {uri!r}: write file:///FOLDER or s3://BUCKET/PREFIX")


def store_model(store: str, folder: Path, sha256: str) -> ArtifactRef:
    """Put a model into the store; what a killed call left is completed, what is there is not sent again.

    Raises:
        DataError: the folder's content is not what the digest says.
        ConfigError, AccessError, TransientError: the store cannot be used.
    """
    objects, prefix = open_objects(store)
    home = f"{prefix}{PRODUCTION}/{sha256}"
    ref = ArtifactRef(uri=f"{store.rstrip('/')}/{PRODUCTION}/{sha256}", sha256=sha256)
    if objects.read(f"{home}.json") is not None:
        return ref
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    files = [StoredFile(path=name, bytes=(folder / name).stat().st_size, sha256=sha256_file(folder / name)) for name in names]
    if not files or tree_digest({file.path: file.sha256 for file in files}) != sha256:
        raise DataError(f"{folder}: its files are not those of {sha256[:12]}: the model was changed; train again")
    for file in files:
        if not objects.holds(f"{home}/{file.path}", file.sha256, file.bytes):
            objects.upload(folder / file.path, f"{home}/{file.path}", file.sha256)
    lost = [file.path for file in files if not objects.holds(f"{home}/{file.path}", file.sha256, file.bytes)]
    if lost:
        raise TransientError(f"{ref.uri}/{lost[0]}: not there after it was uploaded: run the same command again")
    objects.write(f"{home}.json", orjson.dumps(Manifest(sha256=sha256, files=tuple(files)).model_dump()))
    return ref


def fetch_model(uri: str, sha256: str, to: Path, progress: Progress = SILENT) -> bool:
    """Download a model and put it in place whole; False when it was there already.

    Args:
        uri: what `store_model` returned, or any folder as `file://…`.
        sha256: over all of its files, as in an `ArtifactRef`.
        to: the folder that will hold them; it must not be a mount point itself.
        progress: where to report it.

    Raises:
        DataError: the store has no such model, its files have another digest, or `to` holds something else.
        ConfigError, AccessError, TransientError: the store cannot be used.
    """
    if to.is_dir() and any(to.iterdir()):
        if sha256_tree(to) == sha256:
            return False
        raise DataError(f"{to}: holds other files than model {sha256[:12]}: name a folder that does not exist yet")
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=to.parent, prefix=f".{to.name}.") as scratch:
        work = Path(scratch) / "model"
        _download(uri.rstrip("/"), sha256, work, progress)
        if (found := sha256_tree(work)) != sha256:
            raise DataError(f"{uri}: SHA-256 of its files is {found}, expected {sha256}: it is not the released model")
        # A folder may take the place of an empty one.
        work.replace(to)
    return True


def local_model(ref: ArtifactRef, artifacts: Path) -> ArtifactRef:
    """The same model as a folder: a stored one is downloaded to `artifacts/models/<sha256>` once.

    Raises:
        DataError: the store has no such model, or its files have another digest.
        ConfigError, AccessError, TransientError: the store cannot be used.
    """
    if not ref.uri.startswith("s3://"):
        return ref
    folder = (artifacts / "models" / ref.sha256).absolute()
    fetch_model(ref.uri, ref.sha256, folder)
    return ArtifactRef(uri=folder.as_uri(), sha256=ref.sha256)


def _download(uri: str, sha256: str, work: Path, progress: Progress) -> None:
    """The files of a model below `work`: those of its manifest, or of a plain folder."""
    if uri.startswith("file://") and not Path(f"{unquote(urlsplit(uri).path)}.json").is_file():
        source = Path(unquote(urlsplit(uri).path))
        if not source.is_dir():
            raise DataError(f"{source}: no such model folder: check --uri")
        with progress.task("copying the model"):
            shutil.copytree(source, work)
        return
    parent, _, name = uri.rpartition("/")
    objects, prefix = open_objects(parent)
    manifest = _manifest(objects.read(f"{prefix}{name}.json"), uri)
    if manifest.sha256 != sha256:
        raise DataError(f"{uri}: holds model {manifest.sha256[:12]}, expected {sha256[:12]}: check --uri and --sha256")
    size_mb = sum(file.bytes for file in manifest.files) / 1e6
    with progress.task("downloading the model", total=size_mb, unit="MB") as task:
        for file in manifest.files:
            target = work / file.path
            if not target.resolve().is_relative_to(work.resolve()):
                raise DataError(f"{uri}.json: {file.path!r} leads out of the model's folder")
            objects.download(f"{prefix}{name}/{file.path}", target)
            task.advance(file.bytes / 1e6)


def _manifest(content: bytes | None, uri: str) -> Manifest:
    if content is None:
        raise DataError(f"{uri}: the store holds no such model: it was deleted, or never stored whole")
    try:
        value: Any = orjson.loads(content)
        return Manifest.model_validate(value)
    except (ValueError, ValidationError):
        raise DataError(f"{uri}.json: not the list of a model's files: store the model again") from None


def delete_model(uri: str) -> int:
    """Delete a stored model, its list first, so that half of it is never taken for whole; how many objects."""
    parent, _, name = uri.rstrip("/").rpartition("/")
    objects, prefix = open_objects(parent)
    objects.delete([f"{prefix}{name}.json"])
    keys = objects.keys(f"{prefix}{name}/")
    objects.delete(keys)
    return len(keys)
