"""Child processes that never outlive their parent, and servers among them.

A server is started as `ctp serve …` in its own process group. It takes a free port
itself, writes it to a file, and ends when its standard input closes: the kernel closes
that pipe when the parent dies, however it dies.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from steps.contract.errors import PipelineError, TransientError
from steps.contract.files import write_json

_POLL_S = 0.02
_LAST_WORDS_S = 10.0
_TAIL_BYTES = 8192

_LAUNCH = """
import ctypes, os, signal, sys
parent = int(sys.argv[1])
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() != parent:
    sys.exit(0)
os.execv(sys.argv[2], sys.argv[2:])
"""


def thread_environment(threads: int = 1) -> dict[str, str]:
    """Environment that keeps numeric libraries to `threads` threads that sleep while they wait."""
    count = str(threads)
    return {
        "OMP_NUM_THREADS": count,
        "MKL_NUM_THREADS": count,
        "OPENBLAS_NUM_THREADS": count,
        "GOMP_SPINCOUNT": "0",
        "OMP_WAIT_POLICY": "PASSIVE",
        "TOKENIZERS_PARALLELISM": "false",
    }


def bound_to_parent(command: Sequence[str]) -> list[str]:
    """Wrap the argv of a foreign program so that the kernel kills it with this process.

    The request is made by a small launcher after the fork, then replaced by the program
    (`PR_SET_PDEATHSIG` outlives `execve`); unlike `preexec_fn` this is safe with threads.
    The binding is to the thread that starts the command: start it from one that stays.
    Outside Linux the program is started unbound.
    """
    return [sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid()), *command]


def watch_stdin(on_close: Callable[[], None]) -> None:
    """Call `on_close` in a thread when standard input ends; the process is gone 10 s later at most."""

    def wait() -> None:
        with contextlib.suppress(OSError, ValueError):
            while os.read(0, 4096):
                pass
        on_close()
        time.sleep(_LAST_WORDS_S)
        os._exit(0)

    threading.Thread(target=wait, name="watch-stdin", daemon=True).start()


def write_ports(path: Path | None, **ports: int) -> None:
    """Tell the parent which ports were taken, atomically: `port=…` is the main one."""
    if path is not None:
        write_json(path, ports | {"pid": os.getpid()})


def last_line(path: Path) -> str:
    """The last line of a log that is not blank, or "(no output)"."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL_BYTES))
            lines = [line.strip() for line in file.read().decode("utf-8", "replace").splitlines()]
    except OSError:
        return "(no output)"
    return next((line for line in reversed(lines) if line), "(no output)")


def error_of_exit(code: int, message: str) -> PipelineError:
    """The typed error that an exit code of `ctp` stands for; a signal is transient."""
    kinds: dict[int, type[PipelineError]] = {kind.exit_code: kind for kind in PipelineError.__subclasses__()}
    return (TransientError if code < 0 else kinds.get(code, PipelineError))(message)


def _options(options: Mapping[str, Any]) -> list[str]:
    """Keyword arguments as command-line words; None and False are left out."""
    words: list[str] = []
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        if value is True:
            words.append(flag)
        elif isinstance(value, (list, tuple)):
            words.extend(f"{flag}={item}" for item in value)
        elif value is not None and value is not False:
            words.append(f"{flag}={value}")
    return words


class ServerProcess:
    """One `ctp serve KIND` child.

    Use it as a context manager: entering starts the child (without waiting for it, so
    that several load at the same time), leaving stops it. `wait_healthy` must have
    returned before `url` is used.

    Args:
        kind: `model`, `judge`, `gateway` or `quality`.
        options: the server function's keyword arguments; underscores become hyphens.
        log_file: where standard output and error go (appended).
        threads: CPU threads the child may compute with.
        environment: further environment variables.
        grace_s: seconds between the request to stop and the kill.
        command: replaces `python -m steps.cli.main serve KIND`.
    """

    def __init__(
        self,
        kind: str,
        options: Mapping[str, Any],
        *,
        log_file: Path,
        threads: int = 1,
        environment: Mapping[str, str] | None = None,
        grace_s: float = 15.0,
        command: Sequence[str] = (),
    ) -> None:
        self.kind, self.log_file, self.grace_s = kind, log_file, grace_s
        self.port_file = log_file.with_name(f"{log_file.name}.{os.getpid()}-{id(self):x}.port")
        base = list(command) or [sys.executable, "-m", "steps.cli.main", "serve", kind]
        arguments = {"port": 0} | dict(options) | {"port_file": self.port_file, "watch_stdin": True}
        self.command = base + _options(arguments)
        self._environment = {**os.environ, **thread_environment(threads), "PYTHONUNBUFFERED": "1", **(environment or {})}
        self._child: subprocess.Popen[bytes] | None = None
        self._ports: dict[str, int] = {}

    def __enter__(self) -> ServerProcess:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the child; a second call does nothing."""
        if self._child is not None:
            return
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        self.port_file.unlink(missing_ok=True)
        with self.log_file.open("ab") as log:
            self._child = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=self._environment, start_new_session=True
            )

    @property
    def pid(self) -> int:
        """Process id of the child, 0 before it was started."""
        return self._child.pid if self._child else 0

    @property
    def ports(self) -> dict[str, int]:
        """Every port the child took, by name; `port` is the main one."""
        return dict(self._ports)

    @property
    def url(self) -> str:
        """Root URL, without a slash at its end."""
        return f"http://127.0.0.1:{self._ports['port']}"

    @property
    def host_port(self) -> str:
        """Address as `host:port`, the form the gateway takes."""
        return f"127.0.0.1:{self._ports['port']}"

    def is_running(self) -> bool:
        """Whether the child was started and has not ended."""
        return self._child is not None and self._child.poll() is None

    def wait_healthy(self, timeout_s: float = 60.0) -> ServerProcess:
        """Wait until `GET /health` answers 200.

        Raises:
            PipelineError: the child ended; of the type its exit code stands for, with its last log line.
            TransientError: it is not healthy within `timeout_s`.
        """
        self.start()
        deadline = time.monotonic() + timeout_s
        pause = _POLL_S
        while time.monotonic() < deadline:
            self.check()
            if not self._ports:
                self._read_ports()
            if self._ports and self._answers_health():
                return self
            time.sleep(pause)
            pause = min(pause * 1.2, 0.2)
        self.stop()
        raise TransientError(
            f"{self.kind} server: not healthy after {timeout_s:g} s; its log {self.log_file} ends with: {last_line(self.log_file)}"
        )

    def check(self) -> None:
        """Do nothing while the child runs.

        Raises:
            PipelineError: it has ended, with its exit code and last log line.
        """
        code = self._child.poll() if self._child else None
        if code is not None:
            how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            raise error_of_exit(code, f"{self.kind} server ended with {how}; its log {self.log_file} ends with: {last_line(self.log_file)}")

    def _read_ports(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._ports = json.loads(self.port_file.read_text(encoding="utf-8"))

    def _answers_health(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._ports["port"], timeout=5)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def stop(self) -> int | None:
        """End the child: SIGTERM (it drains), after `grace_s` SIGKILL to its whole group.

        Returns:
            Its exit code; None when it was never started.
        """
        child = self._child
        if child is None:
            return None
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(self.grace_s)
        if child.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
        code = child.wait()
        _close(child.stdin)
        self.port_file.unlink(missing_ok=True)
        return code


def _close(pipe: IO[bytes] | None) -> None:
    if pipe is not None:
        with contextlib.suppress(OSError):
            pipe.close()
