"""Credentials reach the configured host only, and stand nowhere but in their file."""

from __future__ import annotations

import base64
import os
import shlex
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pydantic import ValidationError

from steps.contract.config import ReleaseConfig
from steps.contract.errors import AccessError, ConfigError
from steps.contract.refs import ArtifactRef, ModelRef
from steps.release.change import current_pin
from steps.release.release import Params, run
from steps.store.git_credentials import git_environment

TOKEN = "s3cret token/with $(odd) \"signs'"


def params(version):
    artifact = ArtifactRef(uri=f"s3://models/{version}", sha256=f"{version:064x}")
    return Params(model=ModelRef(name="agent-model", version=version), artifact=artifact, approved_by="Ada <ada@example.com>")


@pytest.fixture
def token_file(tmp_path):
    path = tmp_path / "a token"
    path.write_text(TOKEN + "\n")
    return path


@pytest.fixture
def https(bare, git):
    """git's own http backend behind basic authentication: what a Git host is."""
    git(bare, "config", "http.receivepack", "true")

    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            server.asked.append(self.headers.get("authorization", ""))
            wanted = "Basic " + base64.b64encode(f"robot:{TOKEN}".encode()).decode()
            if self.headers.get("authorization") != wanted:
                self.send_response(401)
                self.send_header("www-authenticate", 'Basic realm="git"')
                self.send_header("content-length", "0")
                self.end_headers()
                return
            path, _, query = self.path.partition("?")
            env = {
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": str(bare.parent),
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_CONFIG_NOSYSTEM": "1",
                "GIT_CONFIG_GLOBAL": os.devnull,
                "REMOTE_USER": "robot",
                "REQUEST_METHOD": self.command,
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "CONTENT_TYPE": self.headers.get("content-type", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("content-encoding", ""),
            }
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            done = subprocess.run(["git", "http-backend"], env=env, input=body, capture_output=True, check=True)
            head, _, content = done.stdout.partition(b"\r\n\r\n")
            headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
            self.send_response(int(headers.pop("Status", "200 OK").split()[0]))
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = answer

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked = []
    server.url = f"http://127.0.0.1:{server.server_port}/{bare.name}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_release_over_http_with_a_token_file(make_ctx, https, bare, git, token_file):
    ctx = make_ctx(https.url, token_file=str(token_file), username="robot")
    result = run(params(3), ctx)
    assert git(bare, "rev-parse", "main") == result.commit
    assert current_pin(ctx).version == 3
    proposal = run(params(4), make_ctx(https.url, token_file=str(token_file), username="robot", mode="pull-request"))
    assert git(bare, "rev-parse", proposal.branch) == proposal.commit
    assert TOKEN not in git(bare, "log", "--all", "--format=%B%an%ae")


def test_a_wrong_or_missing_token_is_an_access_error_that_does_not_tell_it(make_ctx, https, token_file):
    token_file.write_text("wrong-token")
    with pytest.raises(AccessError) as told:
        run(params(3), make_ctx(https.url, token_file=str(token_file), username="robot"))
    assert "wrong-token" not in str(told.value) and "wrong-token" not in repr(told.value.__cause__)
    with pytest.raises(AccessError):
        run(params(3), make_ctx(https.url))


def test_a_users_own_helper_is_not_asked_and_another_host_gets_nothing(make_ctx, https, token_file, tmp_path, monkeypatch):
    own = tmp_path / "own.gitconfig"
    own.write_text(f'[credential]\n\thelper = "!touch {tmp_path}/asked; false"\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(own))
    run(params(3), make_ctx(https.url, token_file=str(token_file), username="robot"))
    assert not (tmp_path / "asked").exists()
    folder = tmp_path / "private"
    folder.mkdir()
    release = ReleaseConfig(repository="https://git.example.com/fleet.git", token_file=str(token_file))
    env = {
        "PATH": os.environ["PATH"],
        **git_environment(release, release.repository, folder),
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
    }
    filled = lambda host: subprocess.run(  # noqa: E731
        ["git", "credential", "fill"], env=env, input=f"protocol=https\nhost={host}\n\n", capture_output=True, text=True
    )
    assert f"password={TOKEN}\n" in filled("git.example.com").stdout
    assert TOKEN not in filled("evil.example.com").stdout
    assert TOKEN not in (folder / "gitconfig").read_text() and TOKEN not in str(env)


def test_ssh_uses_the_key_alone_against_known_hosts_alone(make_ctx, bare, git, tmp_path, monkeypatch):
    """A program in ssh's place writes down how it is called, then does what the remote's shell would."""
    bin_folder, log = tmp_path / "bin", tmp_path / "called"
    bin_folder.mkdir()
    fake = bin_folder / "ssh"
    fake.write_text(
        f"#!{sys.executable}\nimport os, shlex, sys\n"
        f"key = sys.argv[sys.argv.index('-i') + 1]\n"
        f"line = repr(sys.argv[1:]) + ' ' + oct(os.stat(key).st_mode & 0o777) + ' ' + open(key).read()\n"
        f"open({str(log)!r}, 'a').write(line)\n"
        "words = shlex.split(sys.argv[-1])\nos.execvp(words[0], words)\n"
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_folder}:{os.environ['PATH']}")
    odd = tmp_path / "sec rets; touch pwned %h $(id)"
    odd.mkdir()
    (odd / "key").write_text("PRIVATE KEY")
    (odd / "key").chmod(0o644)
    (odd / "hosts").write_text("git.example.com ssh-ed25519 AAAA\n")
    ctx = make_ctx(f"ssh://git@git.example.com{bare}", ssh_key_file=str(odd / "key"), known_hosts_file=str(odd / "hosts"))
    result = run(params(2), ctx)
    assert git(bare, "rev-parse", "main") == result.commit
    called = log.read_text()
    for words in (
        "'-F', '/dev/null'",
        "BatchMode=yes",
        "IdentitiesOnly=yes",
        "StrictHostKeyChecking=yes",
        "git@git.example.com",
        "0o600 PRIVATE KEY\n",
    ):
        assert words in called
    assert not list(tmp_path.rglob("pwned")) and not list(Path.cwd().glob("pwned"))


@pytest.mark.parametrize(
    ("said", "error", "message"),
    [
        ("No user exists for uid 4711", ConfigError, "65532"),
        ("Host key verification failed.", AccessError, "credential"),
        ("git@host: Permission denied (publickey).", AccessError, "credential"),
    ],
)
def test_what_ssh_says_is_told_apart(make_ctx, tmp_path, monkeypatch, said, error, message):
    fake = tmp_path / "ssh"
    fake.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 255\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(error, match=message):
        run(params(1), make_ctx("ssh://git@git.example.com/x.git"))


def test_a_temporary_folder_with_odd_signs_does_not_reach_the_shell(tmp_path):
    folder = tmp_path / "a b'; touch pwned; %h"
    folder.mkdir()
    (tmp_path / "key").write_text("k")
    release = ReleaseConfig(repository="git@host:x.git", ssh_key_file=str(tmp_path / "key"), known_hosts_file=str(tmp_path / "key"))
    words = shlex.split(git_environment(release, release.repository, folder)["GIT_SSH_COMMAND"])
    assert words[-1] == str(folder / "ssh_key_file").replace("%", "%%")
    assert f'UserKnownHostsFile="{folder}/known_hosts_file"'.replace("%", "%%") in words


@pytest.mark.parametrize(
    "values",
    [
        {"repository": "https://ada:secret@host/x.git"},
        {"repository": "--upload-pack=touch"},
        {"repository": "git@host:x.git", "ssh_key_file": "/k"},
        {"repository": "git@host:x.git", "token_file": "/t"},
        {"repository": "http://host/x.git", "token_file": "/t"},
        {"token_file": "/t"},
    ],
)
def test_credentials_that_cannot_be_meant_are_refused(values):
    with pytest.raises(ValidationError) as told:
        ReleaseConfig(**values)
    assert "secret" not in str(told.value.errors()[0]["msg"])


def test_a_missing_or_empty_credential_file_is_named(make_ctx, tmp_path):
    (tmp_path / "empty").write_text("\n")
    for name, message in (("absent", "no such file"), ("empty", "is empty")):
        with pytest.raises(ConfigError, match=f"release.token_file.*{message}"):
            run(params(1), make_ctx("https://host/x.git", token_file=str(tmp_path / name)))
