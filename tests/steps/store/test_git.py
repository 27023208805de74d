"""A failure of git is told by git's fixed sentences, never by a number or name that happens to stand in them."""

from __future__ import annotations

import pytest

from steps.contract.errors import AccessError, ConfigError, DataError, TransientError
from steps.store.git import typed_error

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
