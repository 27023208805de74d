from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from steps.cluster.telemetry import WholeLines, caller_context, cut_torn_line, make_tracer_provider
from steps.contract.errors import TransientError

WRITE_AND_DIE = """
import os, signal, sys
from pathlib import Path
from steps.cluster.telemetry import make_tracer_provider
provider = make_tracer_provider("agent app", "3", Path(sys.argv[1]))
provider.get_tracer("t").start_span("one").end()
os.kill(os.getpid(), signal.SIGKILL)
"""


def documents(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_an_ended_span_is_on_disk_even_if_the_process_is_killed_at_once(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", WRITE_AND_DIE, str(tmp_path)], check=False)
    (path,) = tmp_path.glob("agent_app-*-*.jsonl")
    (document,) = documents(path)
    text = json.dumps(document)
    assert '"one"' in text
    assert '"service.version"' in text


def test_the_next_start_cuts_the_torn_line_of_its_own_service_only(tmp_path: Path) -> None:
    torn, other = tmp_path / "app-1-1.jsonl", tmp_path / "app-x-1-1.jsonl"
    for path in (torn, other):
        path.write_bytes(b'{"a":1}\n{"b":')
    make_tracer_provider("app", spans_dir=tmp_path).shutdown()
    assert torn.read_bytes() == b'{"a":1}\n'
    assert other.read_bytes() == b'{"a":1}\n{"b":'


def test_a_file_whose_writer_lives_is_left_alone(tmp_path: Path) -> None:
    writer = WholeLines(tmp_path / "app-1-1.jsonl")
    writer.write("no end yet")
    assert cut_torn_line(tmp_path / "app-1-1.jsonl") == 0
    writer.close()
    assert cut_torn_line(tmp_path / "app-1-1.jsonl") == 10


def test_a_long_torn_line_is_cut_whole(tmp_path: Path) -> None:
    path = tmp_path / "app-1-1.jsonl"
    path.write_bytes(b"x" * 200_000 + b"\n" + b"y" * 200_000)
    assert cut_torn_line(path) == 200_000
    assert cut_torn_line(path) == 0


def test_a_write_that_fails_halfway_leaves_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = WholeLines(tmp_path / "s.jsonl")
    stream.write("first\n")
    real = os.write

    def full_disk(descriptor: int, data: bytes) -> int:
        if len(data) > 3:
            return real(descriptor, data[:3])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full_disk)
    with pytest.raises(OSError, match="No space"):
        stream.write("second\n")
    monkeypatch.undo()
    stream.write("third\n")
    stream.close()
    assert (tmp_path / "s.jsonl").read_text() == "first\nthird\n"


def test_a_place_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TransientError, match="span file cannot be opened"):
        make_tracer_provider("app", spans_dir=tmp_path / "file")


def test_without_a_place_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    provider = make_tracer_provider("app")
    provider.get_tracer("t").start_span("one").end()
    provider.shutdown()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "headers", [{}, {"traceparent": "rubbish"}, {"Baggage": "=,;;"}, {"traceparent": "00-" + "0" * 32 + "-" + "0" * 16 + "-01"}]
)
def test_malformed_headers_are_no_context(headers: dict[str, str]) -> None:
    from opentelemetry.trace import get_current_span

    assert not get_current_span(caller_context(headers)).get_span_context().is_valid


def test_headers_are_read_whatever_their_case() -> None:
    from opentelemetry import baggage
    from opentelemetry.trace import get_current_span

    context = caller_context({"TraceParent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", "BAGGAGE": "a=b%20c"})
    assert get_current_span(context).get_span_context().trace_id == 0x0AF7651916CD43DD8448EB211C80319C
    assert baggage.get_all(context) == {"a": "b c"}
