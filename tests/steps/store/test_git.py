"""A failure of git is told by git's fixed sentences, never by a number or name that happens to stand in them."""

from __future__ import annotations

import http.server
import threading

import pytest

from steps.contract.errors import AccessError, ConfigError, DataError, TransientError
from steps.store.git import run_git, typed_error

REACH = "fatal: unable to access 'https://{host}/{path}.git/': "


@pytest.mark.parametrize("noise", ["403", "401", "404", "500", "1403", "40312"])
@pytest.mark.parametrize(
    "said",
    [
        REACH + "Failed to connect to {host} port {noise} after {noise} ms: Couldn't connect to server",
        REACH + "Could not resolve host: {host}",
        REACH + "Connection timed out after {noise} milliseconds",
        REACH + "Recv failure: Connection reset by peer",
        "error: RPC failed; curl 56 GnuTLS recv error (-{noise})\nfatal: early EOF",
        "fatal: unable to access 'https://{host}/{path}.git/': The requested URL returned error: 503",
        "fatal: unable to access 'https://{host}/{path}.git/': The requested URL returned error: 429",
    ],
)
def test_a_network_that_fails_is_temporary_whatever_number_it_prints(said, noise):
    text = said.format(host=f"git-{noise}.example", path=f"team/r{noise}", noise=noise)
    assert type(typed_error("fetch", text)) is TransientError


@pytest.mark.parametrize(
    "said",
    [
        "remote: HTTP Basic: Access denied\nfatal: Authentication failed for 'https://git.example/x.git/'",
        "fatal: unable to access 'https://git-503.example/x.git/': The requested URL returned error: 403",
        "fatal: could not read Username for 'https://git.example': terminal prompts disabled",
        "git@git.example: Permission denied (publickey).\nfatal: Could not read from remote repository.",
        "Host key verification failed.\nfatal: Could not read from remote repository.",
    ],
)
def test_a_refused_credential_is_an_access_error(said):
    assert type(typed_error("push", said)) is AccessError


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("fatal: '/srv/403/fleet.git' does not appear to be a git repository", ConfigError),
        ("fatal: couldn't find remote ref release-403", ConfigError),
        ("remote: Repository not found.\nfatal: repository 'https://git.example/500.git/' not found", ConfigError),
        (" ! [remote rejected] main -> main (pre-receive hook declined, see ticket 403)", DataError),
        ("error: failed to push some refs; commit 4035009d403 is behind", DataError),
    ],
)
def test_what_is_missing_or_refused_is_told_apart(said, error):
    assert type(typed_error("push", said)) is error


@pytest.mark.parametrize(
    ("stderr", "kind"),
    [
        ("fatal: unable to access 'https://h/f.git/': Failed to connect to h port 443 after 1403 ms: Connection refused", TransientError),
        ("fatal: unable to access 'https://h403.example/f.git/': Could not resolve host: h403.example", TransientError),
        ("fatal: unable to access 'https://h:4030/f.git/': Operation too slow", TransientError),
        ("fatal: unable to access 'https://h/f.git/': The requested URL returned error: 403", AccessError),
        ("fatal: unable to access 'https://h403/f.git/': The requested URL returned error: 502", TransientError),
        ("fatal: unable to access 'https://h/f.git/': Received HTTP code 403 from proxy after CONNECT", AccessError),
        ("fatal: unable to access 'https://h/f.git/': CONNECT tunnel failed, response 502", TransientError),
        (
            "error: RPC failed; HTTP 403 curl 22 The requested URL returned error: 403\nfatal: the remote end hung up unexpectedly",
            AccessError,
        ),
        ("error: RPC failed; curl 56 recv failure after 403 bytes\nfatal: early EOF", TransientError),
        ("fatal: the remote end hung up unexpectedly", TransientError),
        ("ssh: connect to host access-denied.example port 403: Connection timed out", TransientError),
        ("git@h: Permission denied (publickey,password).\nfatal: Could not read from remote repository.", AccessError),
        ("fatal: could not read Username for 'https://h': terminal prompts disabled", AccessError),
        ("fatal: couldn't find remote ref refs/heads/403", ConfigError),
        ("fatal: repository 'https://h/f.git/' not found", ConfigError),
        ("error: cannot lock ref 'refs/heads/x': File exists", TransientError),
        (" ! [remote rejected] abc -> main (failed to update ref)", TransientError),
        (" ! [remote rejected] abc -> main (pre-receive hook declined)", DataError),
        ("remote: error 403: access denied, not found, timed out\n ! [remote rejected] a -> b (pre-receive hook declined)", DataError),
        ("fatal: bad object 403403403403403403403403403403403403403f", DataError),
    ],
)
def test_a_whole_sentence_decides_and_comes_first(stderr, kind):
    error = typed_error("fetch", stderr)
    assert type(error) is kind
    assert stderr.splitlines()[0].strip() in str(error)


def _server(status: int) -> http.server.HTTPServer:
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    return http.server.HTTPServer(("127.0.0.1", 0), Answer)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((401, AccessError), (403, AccessError), (404, ConfigError), (410, ConfigError)),
        *((418, DataError), (408, TransientError), (429, TransientError), (500, TransientError), (503, TransientError)),
    ],
)
def test_an_http_status_decides(tmp_path, status, kind):
    server = _server(status)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with pytest.raises(kind):
            run_git(["ls-remote", f"http://127.0.0.1:{server.server_port}/fleet-403-404-502.git"], tmp_path)
    finally:
        server.shutdown()
        server.server_close()
