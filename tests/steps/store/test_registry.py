from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from steps.contract.config import PipelineConfig
from steps.contract.errors import ConfigError, DataError, TransientError
from steps.store.registry import open_registry, registry_uri


def config(uri=""):
    return PipelineConfig.model_validate({"registry": {"tracking_uri": uri}})


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    return open_registry(config(), tmp_path_factory.mktemp("registry"))


def test_the_default_registry_lies_in_the_work_folder(tmp_path):
    assert registry_uri(config(), tmp_path) == f"sqlite:///{tmp_path}/mlflow/mlflow.db"


def test_unknown_scheme_is_a_configuration_error(tmp_path):
    with pytest.raises(ConfigError, match="tracking_uri"):
        open_registry(config("ftp://host"), tmp_path)


def test_importing_the_module_imports_no_sdk():
    code = "import sys, steps.store.registry, steps.registry.register, steps.gate.gate, steps.curate.curate, steps.release.release;"
    code += "import steps.operate.cost.estimates;"
    code += "print([m for m in ('mlflow', 'torch', 'pyarrow', 'pyiceberg', 'ragas', 'aiohttp') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_first_open_prints_nothing(tmp_path):
    code = "import sys; from pathlib import Path; from steps.contract.config import PipelineConfig;"
    code += "from steps.store.registry import open_registry;"
    code += "open_registry(PipelineConfig(), Path(sys.argv[1])).ensure_model('m')"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
    assert (tmp_path / "mlflow" / "mlflow.db").is_file()


def test_versions_and_tags(client):
    client.ensure_model("tagged")
    client.ensure_model("tagged")
    first = client.create_version("tagged", "file:///a", {"k": "1"}, "card")
    second = client.create_version("tagged", "file:///b", {"k": "2"}, "card")
    assert client.find_versions("tagged", "k", "2") == [second]
    assert client.find_versions("tagged", "k", "3") == []
    client.set_tag("tagged", first, "k", "4")
    client.delete_tag("tagged", first, "absent")
    assert client.tags("tagged", first) == {"k": "4"}
    assert client.description("tagged", first) == "card"


def test_aliases_of_nothing(client):
    assert client.aliases("absent") == {}
    client.ensure_model("plain")
    client.delete_alias("plain", "champion")
    assert client.aliases("plain") == {}


def test_a_missing_version_is_bad_data(client):
    client.ensure_model("empty")
    with pytest.raises(DataError, match="empty@1"):
        client.tags("empty", 1)


def holds_one_at_a_time(lock):
    inside, most = [0], [0]

    def work():
        with lock():
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            time.sleep(0.02)
            inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return most[0] == 1


def test_the_file_lock_lets_one_in(client):
    assert holds_one_at_a_time(lambda: client.moving("locked"))


def test_the_server_lock_lets_one_in(client):
    assert holds_one_at_a_time(lambda: client.server_lock("locked"))


def test_the_server_lock_is_freed_after_an_error(client):
    with pytest.raises(RuntimeError), client.server_lock("broken"):
        raise RuntimeError
    with client.server_lock("broken", timeout_s=0):
        pass


def test_a_server_lock_that_is_held_is_named(client):
    with client.server_lock("busy"), pytest.raises(TransientError, match="busy"), client.server_lock("busy", timeout_s=0.1):
        pass


def test_the_server_lock_of_a_dead_holder_expires(client):
    dead = client.server_lock("left", lease_s=0.0)
    dead.__enter__()
    with client.server_lock("left", timeout_s=5):
        pass


def test_the_file_lock_of_a_killed_process_is_free(client):
    code = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from pathlib import Path
from steps.store.registry import _file_lock, sqlite_path
with _file_lock(sqlite_path({client.uri!r})):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    with client.moving("any"):
        pass


def test_a_registry_whose_creation_was_killed_is_made_again(tmp_path):
    (tmp_path / "mlflow").mkdir()
    (tmp_path / "mlflow" / ".mlflow.db.unfinished").write_bytes(b"half a database")
    client = open_registry(PipelineConfig(), tmp_path)
    client.ensure_model("m")
    assert client.aliases("m") == {}
    assert not list((tmp_path / "mlflow").glob("*unfinished*"))
