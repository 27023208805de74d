"""Running an HTTP server well: bind, tell the port, drain on SIGTERM, never outlive the parent."""

from __future__ import annotations

import asyncio
import errno
import gc
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from steps.cluster.process import watch_stdin as watch_standard_input
from steps.cluster.process import write_ports
from steps.contract.errors import ConfigError, PipelineError

if TYPE_CHECKING:
    from aiohttp import web

SETTLE_S = 0.25
DRAIN_S = 60.0
KEEPALIVE_S = 75.0


@dataclass
class Lifecycle:
    """The state of one server process.

    Attributes:
        loop: its event loop.
        draining: from the first stop signal on; health answers 503 and connections are closed.
        failure: why the server must end, raised after the drain.
        ports: further ports that the application listens on, by name.
    """

    loop: asyncio.AbstractEventLoop
    draining: bool = False
    failure: BaseException | None = None
    ports: dict[str, int] = field(default_factory=dict)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    def stop(self, failure: BaseException | None = None) -> None:
        """End the server from any thread; the first failure is the one reported."""

        def ask() -> None:
            self.failure = self.failure or failure
            self._stop.set()

        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(ask)

    async def stopped(self) -> None:
        """Wait until somebody asked to stop."""
        await self._stop.wait()
        self.draining = True


def run_http(
    make_app: Callable[[Lifecycle], Awaitable[web.Application]],
    *,
    port: int,
    host: str = "127.0.0.1",
    port_file: Path | None = None,
    watch_stdin: bool = False,
    drain_s: float = DRAIN_S,
    settle_s: float = SETTLE_S,
) -> None:
    """Serve until SIGTERM, SIGINT, a closed standard input or a failure; then drain and return.

    Draining answers what is in flight. For a while new requests are still served (with
    `Connection: close`), because whoever routes here learns late.

    Args:
        make_app: builds the application inside the event loop.
        port: 0 takes a free one.
        host: address to listen on.
        port_file: where the real port is written once the socket listens.
        watch_stdin: end when standard input closes.
        drain_s: longest time for requests in flight.
        settle_s: seconds in which new requests are still taken after the signal to stop.

    Raises:
        ConfigError: the port is taken or the address is not this machine's.
        PipelineError: what the application reported as its failure.
    """
    failure = asyncio.run(_serve(make_app, port, host, port_file, watch_stdin, drain_s, settle_s))
    if failure is not None:
        raise failure


async def _serve(
    make_app: Callable[[Lifecycle], Awaitable[web.Application]],
    port: int,
    host: str,
    port_file: Path | None,
    watch: bool,
    drain_s: float,
    settle_s: float,
) -> BaseException | None:
    from aiohttp import web

    life = Lifecycle(asyncio.get_running_loop())
    if watch:
        watch_standard_input(life.stop)
    for number in (signal.SIGTERM, signal.SIGINT):
        life.loop.add_signal_handler(number, life.stop)
    app = await make_app(life)

    async def close_when_draining(_: web.BaseRequest, response: web.StreamResponse) -> None:
        if life.draining:
            response.force_close()
            # aiohttp has made the headers before it asks here: without this word a proxy would send its next request into the close.
            response.headers["Connection"] = "close"

    app.on_response_prepare.append(close_when_draining)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=drain_s, keepalive_timeout=KEEPALIVE_S)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=2048)
        await _listen(site, host, port)
        write_ports(port_file, port=runner.addresses[0][1], **life.ports)
        # What was imported stays for good: the collector need not walk it, now or (a second of work) at exit.
        gc.freeze()
        await life.stopped()
        await asyncio.sleep(settle_s)
    finally:
        await runner.cleanup()
    return life.failure


async def _listen(site: web.TCPSite, host: str, port: int) -> None:
    try:
        await site.start()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ConfigError(f"port {port} on {host} is taken: choose another --port, or 0 for a free one") from error
        raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror or type(error).__name__}") from error


async def listening(life: Lifecycle, app: web.Application, name: str, host: str, port: int) -> AsyncIterator[None]:
    """A second listener for as long as the application lives: use it as its cleanup context.

    Args:
        life: told the real port, as `name`.
        app: what answers there.
        name: key in the port file.
        host: address to listen on.
        port: 0 takes a free one.

    Raises:
        ConfigError: the port is taken or the address is not this machine's.
    """
    from aiohttp import web

    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0, keepalive_timeout=KEEPALIVE_S)
    await runner.setup()
    try:
        await _listen(web.TCPSite(runner, host, port), host, port)
        life.ports[name] = runner.addresses[0][1]
        yield
    finally:
        await runner.cleanup()


def as_failure(error: BaseException, doing: str) -> BaseException:
    """Keep typed errors; anything else becomes one line without its text, which may quote input."""
    if isinstance(error, PipelineError):
        return error
    return PipelineError(f"{doing} failed with {type(error).__name__}")
