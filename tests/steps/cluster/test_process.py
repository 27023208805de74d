from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from steps.cluster.process import ServerProcess, bound_to_parent, last_line, thread_environment
from steps.contract.errors import ConfigError, PipelineError, TransientError

SERVE = """
import sys
from pathlib import Path
from aiohttp import web
from steps.serve.lifecycle import run_http
options = dict(word[2:].split("=", 1) for word in sys.argv[1:] if "=" in word)

async def health(request):
    return web.Response()

async def make_app(life):
    app = web.Application()
    app.router.add_get("/health", health)
    return app

run_http(make_app, port=int(options["port"]), port_file=Path(options["port-file"]), watch_stdin="--watch-stdin" in sys.argv)
"""
PARENT = """
import sys, time
from pathlib import Path
from steps.cluster.process import ServerProcess
server = ServerProcess("test", {}, log_file=Path(sys.argv[1]), command=[sys.executable, "-c", sys.argv[2]])
print(server.wait_healthy(30).pid, flush=True)
time.sleep(60)
"""
BIND = """
import subprocess, sys, time
from steps.cluster.process import bound_to_parent
print(subprocess.Popen(bound_to_parent(["/bin/sleep", "60"])).pid, flush=True)
time.sleep(60)
"""


def serving(tmp_path: Path, code: str = SERVE, **options: object) -> ServerProcess:
    return ServerProcess("test", options, log_file=tmp_path / "log", command=[sys.executable, "-c", code])


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def wait_until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_a_server_is_started_found_and_drained(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        server.wait_healthy(30)
        assert server.url == f"http://127.0.0.1:{server.ports['port']}"
        assert server.is_running()
        assert os.getpgid(server.pid) == server.pid != os.getpgid(0)
        assert server.stop() == 0
    assert not server.is_running()
    assert not server.port_file.exists()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("import sys; print('Configuration error: no such key'); sys.exit(78)", ConfigError),
        ("import os; print('x'); os.kill(os.getpid(), 9)", TransientError),
    ],
)
def test_a_server_that_ends_at_start_says_why(tmp_path: Path, code: str, kind: type[PipelineError]) -> None:
    with serving(tmp_path, code) as server, pytest.raises(kind, match="(no such key|SIGKILL.*x)"):
        server.wait_healthy(30)


def test_a_server_that_never_answers_is_stopped(tmp_path: Path) -> None:
    server = serving(tmp_path, "import time; print('loading', flush=True); time.sleep(60)")
    with server, pytest.raises(TransientError, match="not healthy after 1 s.*loading"):
        server.wait_healthy(1)
    assert not server.is_running()


def test_a_server_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    server = serving(tmp_path, "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)")
    server.grace_s = 0.2
    with server:
        wait_until(lambda: last_line(server.log_file) == "deaf")
        assert server.stop() == -signal.SIGKILL


def test_a_port_that_is_taken_is_a_configuration_error(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom steps.contract.errors import PipelineError\n"
        "try:\n exec(sys.argv[1])\nexcept PipelineError as error:\n print(error)\n sys.exit(error.exit_code)"
    )
    with serving(tmp_path) as first:
        port = first.wait_healthy(30).ports["port"]
        second = ServerProcess("test", {"port": port}, log_file=tmp_path / "second", command=[sys.executable, "-c", code, SERVE])
        with second, pytest.raises(ConfigError, match=f"port {port} on 127.0.0.1 is taken"):
            second.wait_healthy(30)


@pytest.mark.parametrize(("parent", "arguments"), [(PARENT, ["log", SERVE]), (BIND, [])])
def test_children_die_with_a_parent_that_is_killed(tmp_path: Path, parent: str, arguments: list[str]) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", parent, *arguments], cwd=tmp_path, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(Path.cwd())}
    ) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        assert not gone(child)
        process.kill()
    wait_until(lambda: gone(child))


def test_a_bound_program_replaces_its_launcher() -> None:
    done = subprocess.run(bound_to_parent(["/bin/echo", "a b", "*"]), capture_output=True, check=True)
    assert done.stdout == b"a b *\n"


def test_options_become_words(tmp_path: Path) -> None:
    server = ServerProcess(
        "model",
        {"model_version": "3", "spans_dir": [Path("a"), Path("b")], "flag": True, "off": False, "none": None},
        log_file=tmp_path / "log",
    )
    assert server.command[1:5] == ["-m", "steps.cli.main", "serve", "model"]
    assert server.command[5:-2] == ["--port=0", "--model-version=3", "--spans-dir=a", "--spans-dir=b", "--flag"]
    assert server.command[-1] == "--watch-stdin"


def test_threads_never_spin() -> None:
    environment = thread_environment(2)
    assert (environment["OMP_NUM_THREADS"], environment["OMP_WAIT_POLICY"], environment["GOMP_SPINCOUNT"]) == ("2", "PASSIVE", "0")
