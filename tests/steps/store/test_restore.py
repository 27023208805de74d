"""What docs/runbooks/disaster-recovery.md promises: a work folder that comes back, a catalog that is made again."""

from __future__ import annotations

import re
import shutil

import pytest

from steps.contract.config import PipelineConfig
from steps.store.lake import open_lake


@pytest.fixture
def work(tmp_path):
    """A work folder with a lake of three records."""
    folder = tmp_path / "work"
    with open_lake(PipelineConfig(), folder) as lake:
        for number in range(3):
            lake.append_run_record(f"run-{number}", "stage", {"number": number}, key=str(number))
    return folder


def records(folder):
    with open_lake(PipelineConfig(), folder) as lake:
        return [(record.run_id, record.payload) for record in lake.run_records("stage")]


def test_a_work_folder_comes_back_at_its_own_path(work, tmp_path):
    before = records(work)
    shutil.copytree(work, tmp_path / "backup", copy_function=shutil.copy2)
    shutil.rmtree(work)
    shutil.move(tmp_path / "backup", work)
    assert records(work) == before and len(before) == 3
    with open_lake(PipelineConfig(), work) as lake:
        lake.append_run_record("run-3", "stage", {"number": 3}, key="3")
    assert len(records(work)) == 4


def test_a_lost_catalog_is_made_again_from_the_metadata_files(work):
    from pyiceberg.catalog.sql import SqlCatalog

    before, folder = records(work), work / "lake"
    (folder / "catalog.db").unlink()
    files = (folder / "warehouse" / "ctp" / "runs" / "metadata").glob("*.metadata.json")
    newest = max(files, key=lambda path: (int(re.match(r"\d+", path.name)[0]), path.stat().st_mtime))
    catalog = SqlCatalog("ctp", uri=f"sqlite:///{folder / 'catalog.db'}", warehouse=f"file://{folder / 'warehouse'}")
    catalog.create_namespace_if_not_exists("ctp")
    catalog.register_table(("ctp", "runs"), f"file://{newest}")
    catalog.close()
    assert records(work) == before
    with open_lake(PipelineConfig(), work) as lake:
        lake.append_run_record("run-3", "stage", {"number": 3}, key="3")
    assert len(records(work)) == 4
