"""Progress in the terminal: a live bar with rate and ETA, plain lines when output is piped."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Task as RichTask
from rich.text import Text


class RateColumn(ProgressColumn):
    """Finished units per second."""

    def render(self, task: RichTask) -> Text:
        """The rate, once it is known."""
        speed = task.finished_speed or task.speed
        unit = task.fields.get("unit", "")
        return Text(f"{speed:,.1f} {unit}/s" if speed else "", style="dim")


class LiveTask:
    """A bar on a terminal."""

    def __init__(self, bars: Progress, task_id: int) -> None:
        self._bars, self._id = bars, task_id

    def advance(self, count: float = 1) -> None:
        """Add `count` finished units."""
        self._bars.advance(self._id, count)  # type: ignore[arg-type]

    def note(self, text: str) -> None:
        """Replace the remark beside the bar."""
        self._bars.update(self._id, note=text)  # type: ignore[arg-type]


class PlainTask:
    """One line every ten seconds, for logs and pipes."""

    def __init__(self, console: Console, description: str, total: float | None, unit: str) -> None:
        self._console, self._description, self._total, self._unit = console, description, total, unit
        self._done, self._note, self._began = 0.0, "", time.monotonic()
        self._next = self._began + 10

    def advance(self, count: float = 1) -> None:
        """Add `count` finished units."""
        self._done += count
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + 10
        rate = self._done / (now - self._began)
        left = f", {max(0.0, (self._total - self._done) / rate):.0f} s left" if self._total and rate > 0 else ""
        of = f" of {self._total:,.0f}" if self._total else ""
        self._console.print(
            f"    {self._description}: {self._done:,.0f}{of} {self._unit} ({rate:,.1f}/s{left}) {self._note}".rstrip(), highlight=False
        )

    def note(self, text: str) -> None:
        """Replace the remark at the end of the line."""
        self._note = text


class ConsoleProgress:
    """Progress of the local loop, or of one command, on a console."""

    def __init__(self, console: Console) -> None:
        self.console = console

    @contextlib.contextmanager
    def task(self, description: str, total: float | None = None, unit: str = "") -> Iterator[LiveTask | PlainTask]:
        """Show a bar while the block runs; it disappears when the block ends."""
        if not self.console.is_terminal:
            yield PlainTask(self.console, description, total, unit)
            return
        columns = (
            TextColumn("    "),
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            RateColumn(),
            TimeElapsedColumn(),
            TextColumn("eta"),
            TimeRemainingColumn(),
            TextColumn("[dim]{task.fields[note]}"),
        )
        with Progress(*columns, console=self.console, transient=True) as bars:
            yield LiveTask(bars, bars.add_task(description, total=total, unit=unit, note=""))
