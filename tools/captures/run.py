"""Runs the capture scripts: `python -m tools.captures.run NAME …` writes tests/data/captures/NAME.jsonl.

A script says in its header (inline script metadata) which packages it needs and, under `tool.captures`, which files it
makes and what each of them needs besides. It runs in an environment of its own below --workdir, against the fake server
and the receiver of this folder; the variable CAPTURE tells it which of its files is wanted.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import NamedTuple
from zlib import crc32

from tools.captures.fake_openai import FakeOpenAI
from tools.captures.otlp_receiver import LINES, Receiver

HERE = Path(__file__).parent
# Copied beside every script.
SHARED = ("conversation.mjs", "conversation.py", "openai_client.py")
DATA = HERE.parents[1] / "tests" / "data" / "captures"


class Capture(NamedTuple):
    """A script with the packages that it needs."""

    script: Path
    packages: list[str]


def find_captures() -> dict[str, Capture]:
    """File name without suffix -> the script that makes it."""
    captures = {}
    for script in sorted([*HERE.glob("*.py"), *HERE.glob("*.mjs")]):
        _, mark, rest = script.read_text(encoding="utf-8").partition("/// script\n")
        if mark:
            block = rest.partition("///")[0]
            header = tomllib.loads("\n".join(line.lstrip("#/").strip() for line in block.splitlines()))
            for name, packages in header["tool"]["captures"].items():
                captures[name] = Capture(script, header["dependencies"] + packages)
    return captures


def prepare(capture: Capture, workdir: Path) -> tuple[Path, list[str]]:
    """Install what a script needs; gives its folder and the command that runs it there."""
    is_node = capture.script.suffix == ".mjs"
    folder = workdir / f"{capture.script.stem}-{crc32(' '.join(capture.packages).encode()):08x}"
    stamp = folder / "installed"
    if not stamp.exists():
        folder.mkdir(parents=True, exist_ok=True)
        if is_node:
            subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", *capture.packages], cwd=folder, check=True)
        else:
            subprocess.run(["uv", "venv", "--quiet", "--python", sys.executable, folder / ".venv"], check=True)
            subprocess.run(["uv", "pip", "install", "--quiet", "--python", folder / ".venv", *capture.packages], check=True)
        stamp.touch()
    for name in (capture.script.name, *SHARED):
        shutil.copy(HERE / name, folder)
    program = "node" if is_node else str(folder / ".venv" / "bin" / "python")
    return folder, [program, capture.script.name]


def serve(handler: type[BaseHTTPRequestHandler]) -> str:
    """Start a server on a free port of this machine; gives its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def check_privacy(text: str, folder: Path) -> None:
    """Refuse what tells about the machine: its name, a folder on it, what a resource detector found."""
    words = [socket.gethostname(), str(folder), str(HERE), str(Path.home()) + "/", '"host.name"', '"process.', '"os.']
    if leaks := [word for word in words if word in text]:
        raise SystemExit(f"the capture holds {leaks}: switch the detector off in the script")


def main() -> None:
    """Run the scripts of the files that are named, or list what there is."""
    captures = find_captures()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+", choices=sorted(captures))
    parser.add_argument("--workdir", type=Path, default=Path("work/captures"))
    arguments = parser.parse_args()
    model, receiver = serve(FakeOpenAI), serve(Receiver)
    for name in arguments.names:
        folder, command = prepare(captures[name], arguments.workdir.absolute())
        LINES.clear()
        environment = {
            "PATH": f"{folder}/node_modules/.bin:{os.environ['PATH']}",
            "HOME": str(folder),
            "CAPTURE": name,
            "OPENAI_API_KEY": "none",
            "OPENAI_BASE_URL": f"{model}/v1",
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver,
        }
        subprocess.run(command, cwd=folder, env=environment, check=True, timeout=300)
        text = "".join(f"{line}\n" for line in LINES)
        check_privacy(text, folder)
        (DATA / f"{name}.jsonl").write_text(text, encoding="utf-8")
        print(f"{name}: {len(LINES)} lines, {len(text.encode())} bytes")


if __name__ == "__main__":
    main()
