"""Sources of the form `langfuse://host/project`: where the API is and which keys open it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from steps.contract.errors import AccessError, ConfigError

SCHEME = "langfuse://"
PUBLIC_KEY = "LANGFUSE_PUBLIC_KEY"
SECRET_KEY = "LANGFUSE_SECRET_KEY"  # noqa: S105 - the name of a variable
_LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
_FORM = "write langfuse://HOST/PROJECT, with ?scheme=http for a server without TLS and ?only=scores where an export brings the observations"


@dataclass(frozen=True, slots=True)
class LangfuseSource:
    """One project of one server.

    Attributes:
        base_url: `https://host[:port]`, or `http://` for this machine and where asked for.
        folder: `host/project` in characters that are safe in file names and object keys.
        only_scores: read scores alone (feedback, corrections, reviews).
    """

    base_url: str
    folder: str
    only_scores: bool


def parse_source(uri: str) -> LangfuseSource:
    """The source that a URI names.

    Raises:
        ConfigError: it has another form, or holds keys.
    """
    if "@" in uri.removeprefix(SCHEME).partition("/")[0]:
        # The URI is not repeated: it may hold the secret key.
        raise ConfigError(f"a langfuse:// source holds a user or key before its host: set {PUBLIC_KEY} and {SECRET_KEY} instead")
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
        query = parse_qs(parts.query, strict_parsing=True) if parts.query else {}
    except ValueError:
        raise ConfigError(f"source {uri}: {_FORM}") from None
    project = parts.path.strip("/")
    options = {key: values[-1] for key, values in query.items()}
    scheme = options.pop("scheme", "http" if host in _LOCAL_HOSTS else "https")
    only = options.pop("only", "")
    is_valid = uri.startswith(SCHEME) and host and re.fullmatch(r"[\w. -]+", project) and project.strip(".")
    if not is_valid or options or parts.fragment or scheme not in ("http", "https") or only not in ("", "scores"):
        raise ConfigError(f"source {uri}: {_FORM}")
    name = f"[{host}]" if host and ":" in host else host
    address = f"{name}:{port}" if port else str(name)
    return LangfuseSource(f"{scheme}://{address}", f"{re.sub(r'[^a-z0-9.-]', '_', address)}/{project}", only == "scores")


def read_keys(environ: Mapping[str, str], source: LangfuseSource) -> tuple[str, str]:
    """Public and secret key of the project, from the environment alone.

    Raises:
        AccessError: one of them is not set.
    """
    public, secret = environ.get(PUBLIC_KEY, "").strip(), environ.get(SECRET_KEY, "").strip()
    if not public or not secret:
        missing = " and ".join(name for name, value in ((PUBLIC_KEY, public), (SECRET_KEY, secret)) if not value)
        raise AccessError(f"source langfuse://{source.folder}: {missing} not set: set the API keys of this project in the environment")
    return public, secret
