"""Progress on a terminal and in a pipe."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from steps.laptop.progress import ConsoleProgress, PlainTask


def test_a_terminal_shows_a_bar_with_rate_and_remark_and_clears_it():
    console = Console(file=io.StringIO(), force_terminal=True, width=160)
    with ConsoleProgress(console).task("downloading", total=4, unit="MB") as task:
        task.advance(3)
        task.note("weights")
    text = console.file.getvalue()
    assert "downloading" in text and "3/4" in text and "weights" in text
    assert text.endswith("\x1b[2K"), "the line is erased at the end"


def test_a_pipe_gets_no_line_of_quick_work_and_an_error_passes():
    console = Console(file=io.StringIO())
    with pytest.raises(ValueError, match="no"), ConsoleProgress(console).task("erasing", total=4, unit="tables") as task:
        task.advance()
        raise ValueError("no")
    assert console.file.getvalue() == ""


def test_a_pipe_gets_a_line_every_ten_seconds():
    console = Console(file=io.StringIO(), width=160)
    task = PlainTask(console, "erasing", 4, "tables")
    task._began, task._next = task._began - 20, task._next - 20
    task.note("traces")
    task.advance(2)
    task.advance()
    (line,) = console.file.getvalue().splitlines()
    assert line == "    erasing: 2 of 4 tables (0.1/s, 20 s left) traces"
