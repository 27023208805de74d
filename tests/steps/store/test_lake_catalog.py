"""Opening the catalog: races and failures of its database."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from steps.contract.config import PipelineConfig
from steps.contract.errors import AccessError, TransientError
from steps.store.lake_catalog import open_catalog, storage_errors

ROOT = Path(__file__).parents[3]
OPEN = """
import sys
from pathlib import Path
from steps.contract.config import PipelineConfig
from steps.store.lake_catalog import open_catalog
import pyiceberg.catalog.sql, sqlalchemy.exc
print("ready", flush=True)
sys.stdin.readline()
open_catalog(PipelineConfig(), Path(sys.argv[1])).close()
"""


def test_processes_that_open_a_new_catalog_at_once_all_get_it(tmp_path):
    processes = [
        subprocess.Popen([sys.executable, "-c", OPEN, str(tmp_path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * 3
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    assert [process.communicate(timeout=60) and process.returncode for process in processes] == [0, 0, 0]


def test_a_folder_that_may_not_be_written_is_denied_and_not_tried_again(tmp_path):
    config = PipelineConfig.model_validate(
        {"lake": {"uri": f"sqlite:///{tmp_path / 'none' / 'catalog.db'}", "warehouse": f"file://{tmp_path}"}}
    )
    with pytest.raises(AccessError, match="^the lake: the catalog database cannot be opened"), storage_errors("the lake"):
        open_catalog(config, tmp_path)


def test_a_full_catalog_database_is_transient(tmp_path):
    catalog = open_catalog(PipelineConfig(), tmp_path)
    with pytest.raises(TransientError, match="no space left"), storage_errors("the lake"), catalog.engine.connect() as connection:
        connection.exec_driver_sql("pragma max_page_count = 1")
        connection.exec_driver_sql("create table t (a)")
        connection.exec_driver_sql("insert into t values (randomblob(1000000))")
    catalog.close()
