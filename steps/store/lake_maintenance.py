"""What a table refers to and what lies below its location: expiring snapshots, deleting files.

PyIceberg 0.12 expires snapshots in the metadata and deletes no file. Here a file goes only if no
snapshot refers to it, and then either because it was referred to until now (so its writer is done) or
because it is older than any write in progress.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.expressions import BooleanExpression
    from pyiceberg.table import Table


@dataclass(frozen=True, slots=True)
class LooseFile:
    """A file below a table's location that no snapshot refers to. `path` is the file system's."""

    path: str
    bytes: int
    written: datetime


def plain(location: str) -> str:
    """A location as the path that its file system lists."""
    from pyiceberg.io.pyarrow import PyArrowFileIO

    return PyArrowFileIO.parse_location(location)[2]


def data_files(opened: Table) -> set[str]:
    """Locations of the data files of every snapshot."""
    return set(opened.inspect.all_files().column("file_path").to_pylist()) if opened.snapshots() else set()


def current_files(opened: Table, snapshot_id: int | None = None) -> set[str]:
    """Locations of the data files of one snapshot, the newest by default."""
    if opened.current_snapshot() is None:
        return set()
    return {task.file.file_path for task in opened.scan(snapshot_id=snapshot_id).plan_files()}


def referenced(opened: Table) -> set[str]:
    """Paths of everything that the table's metadata refers to, data and metadata."""
    named = {opened.metadata_location, *(entry.metadata_file for entry in opened.metadata.metadata_log)}
    named |= {snapshot.manifest_list for snapshot in opened.snapshots() if snapshot.manifest_list}
    named |= {statistics.statistics_path for statistics in opened.metadata.statistics}
    if opened.snapshots():
        named |= set(opened.inspect.all_manifests().column("path").to_pylist())
    return {plain(location) for location in named | data_files(opened)}


def loose_files(opened: Table) -> list[LooseFile]:
    """Files below the table's location that nothing refers to, in name order.

    The folder is listed first: what is committed after that is not in the list.
    """
    listed = _listed(opened)
    kept = referenced(opened.refresh())
    return [LooseFile(info.path, info.size or 0, _written(info)) for info in listed if info.path not in kept]


def _listed(opened: Table) -> list[Any]:
    from pyarrow.fs import FileSelector, FileType

    files, path = _file_system(opened)
    infos = files.get_file_info(FileSelector(path, recursive=True, allow_not_found=True))
    return sorted((info for info in infos if info.type == FileType.File), key=lambda info: info.path)


def _written(info: Any) -> datetime:
    written: datetime | None = info.mtime
    return datetime.now(UTC) if written is None else written


def _file_system(opened: Table) -> tuple[Any, str]:
    scheme, netloc, path = type(opened.io).parse_location(opened.location())  # type: ignore[attr-defined]
    return opened.io.fs_by_scheme(scheme, netloc), path  # type: ignore[attr-defined]


def delete_paths(opened: Table, paths: Iterable[str]) -> int:
    """Delete files of the table's file system; how many were there."""
    files, _ = _file_system(opened)
    count = 0
    for path in paths:
        try:
            files.delete_file(path)
        except FileNotFoundError:
            continue
        count += 1
    return count


def read_columns(opened: Table, path: str, columns: tuple[str, ...]) -> pa.Table | None:
    """Columns of a data file by its path in the file system; None for what is no whole Parquet file or is gone."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    files, _ = _file_system(opened)
    try:
        with files.open_input_file(path) as stream:
            names = pq.read_schema(stream).names
            return pq.read_table(stream, columns=[name for name in columns if name in names])
    except (FileNotFoundError, pa.ArrowInvalid):
        return None


def expire(opened: Table, goes: Callable[[Any], bool], *, tags: bool = False) -> int:
    """Expire snapshots, never the current one; tagged ones only with `tags`, which removes their tags. How many."""
    current = opened.current_snapshot()
    ids = {
        snapshot.snapshot_id
        for snapshot in opened.snapshots()
        if current and snapshot.snapshot_id != current.snapshot_id and goes(snapshot)
    }
    held = {name: ref.snapshot_id for name, ref in opened.metadata.refs.items() if name != "main" and ref.snapshot_id in ids}
    if tags:
        for name in held:
            opened.manage_snapshots().remove_tag(name).commit()
    else:
        ids -= set(held.values())
    if ids:
        opened.maintenance.expire_snapshots().by_ids(sorted(ids)).commit()
    return len(ids)


def purge(opened: Table, goes: Callable[[Any], bool]) -> tuple[int, int]:
    """Expire snapshots, tagged ones too, and delete at once every file that only they held: (snapshots, files)."""
    before = referenced(opened)
    expired = expire(opened, goes, tags=True)
    if not expired:
        return 0, 0
    return expired, delete_paths(opened, sorted(before - referenced(opened.refresh())))


def purge_matching(opened: Table, condition: BooleanExpression) -> tuple[int, int]:
    """Purge the snapshots whose data files may hold matching rows, judged by the files' statistics."""

    def holds(snapshot: Any) -> bool:
        return next(iter(opened.scan(snapshot_id=snapshot.snapshot_id, row_filter=condition).plan_files()), None) is not None

    return purge(opened, holds)
