"""Credentials of the release repository: mounted files, given to git for one host and one call.

A token never stands in a URL, an argument or the environment: git asks a credential helper, which is
bound to the repository's host, and the helper reads the file. An ssh key is used alone, against
known hosts alone.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from urllib.parse import urlsplit

from steps.contract.config import ReleaseConfig
from steps.contract.errors import AccessError, ConfigError
from steps.contract.files import write_atomic

# Run by git through a shell; everything variable comes in through the environment.
_HELPER = (
    '!answer() { test "$1" = get || exit 0; '
    'printf \'username=%s\\npassword=%s\\n\' "$CTP_GIT_USERNAME" "$(cat "$CTP_GIT_TOKEN_FILE")"; }; answer'
)


def git_environment(release: ReleaseConfig, url: str, folder: Path) -> dict[str, str]:
    """What git commands on this repository need in their environment.

    Args:
        release: names the credential files.
        url: of the repository.
        folder: a private temporary folder; it gets git's configuration and a copy of the ssh key.

    Raises:
        ConfigError: a credential file does not exist or is empty.
        AccessError: it may not be read.
    """
    lines = [*_own_configuration(), *_trust(url)]
    environment = {"GIT_CONFIG_GLOBAL": str(folder / "gitconfig")}
    if release.token_file:
        _read("token_file", release.token_file)
        # The empty helper forgets those of other configurations.
        lines += [f"[credential {_quoted(_origin(url))}]", "\thelper =", f"\thelper = {_quoted(_HELPER)}"]
        environment |= {"CTP_GIT_USERNAME": release.username, "CTP_GIT_TOKEN_FILE": str(Path(release.token_file).absolute())}
    if release.ssh_key_file:
        environment["GIT_SSH_COMMAND"] = _ssh_command(release, folder)
    write_atomic(folder / "gitconfig", "\n".join(lines) + "\n", mode=0o600)
    return environment


def _ssh_command(release: ReleaseConfig, folder: Path) -> str:
    """The ssh command line; git gives it to a shell, so every word is quoted.

    The files are copied: ssh refuses a key that others may read, as a mounted secret may be, and takes
    spaces and percent signs in a path for its own syntax.
    """
    copies = {}
    for name, mode in (("ssh_key_file", 0o600), ("known_hosts_file", 0o600)):
        copies[name] = folder / name
        write_atomic(copies[name], _read(name, getattr(release, name)).rstrip(b"\n") + b"\n", mode=mode)
    escaped = {name: str(path).replace("%", "%%") for name, path in copies.items()}
    options = ("BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=yes", "GlobalKnownHostsFile=/dev/null")
    words = ["ssh", "-F", "/dev/null", *(word for option in options for word in ("-o", option))]
    return shlex.join([*words, "-o", f'UserKnownHostsFile="{escaped["known_hosts_file"]}"', "-i", escaped["ssh_key_file"]])


def _read(name: str, path: str) -> bytes:
    try:
        content = Path(path).read_bytes()
    except PermissionError:
        raise AccessError(f"release.{name}: {path} may not be read: let this step's user read it") from None
    except OSError:
        raise ConfigError(f"release.{name}: {path}: no such file: mount the secret, or correct the path") from None
    if not content.strip():
        raise ConfigError(f"release.{name}: {path} is empty: put the credential into it")
    return content


def _origin(url: str) -> str:
    """Scheme, host and port."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _own_configuration() -> list[str]:
    """The user's configuration stays in force."""
    home = os.environ.get("HOME")
    own = os.environ.get("GIT_CONFIG_GLOBAL") or (str(Path(home) / ".gitconfig") if home else "")
    return ["[include]", f"\tpath = {_quoted(own)}"] if own and Path(own).is_file() else []


def _trust(url: str) -> list[str]:
    """Trust exactly the configured local repository: git refuses those of another owner, which is what a pod sees on a shared volume."""
    if not Path(url).is_dir():
        return []
    root = Path(url).resolve()
    return ["[safe]", *(f"\tdirectory = {_quoted(str(path))}" for path in (root, root / ".git"))]


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
