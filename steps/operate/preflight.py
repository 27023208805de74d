"""Preflight checks of `ctp run`: sources and judges that would fail later fail before anything starts."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from pathlib import Path

from steps.contract.config import JudgeConfig, PipelineConfig
from steps.contract.errors import AccessError, ConfigError, TransientError
from steps.ingest.langfuse_api.source import SCHEME, parse_source, read_keys
from steps.store.raw_objects import list_source


def check_inputs(config: PipelineConfig, sources: tuple[str, ...]) -> None:
    """Look at every source and every configured judge.

    Raises:
        ConfigError: releases wait for a person's merge, which this loop cannot wait for.
        DataError: a source does not exist.
        AccessError: a source or a judge refuses access.
        TransientError: a judge does not answer.
    """
    if config.release.mode != "commit":
        raise ConfigError("release.mode pull-request: ctp run rolls out by itself and cannot wait for a merge: use release.mode=commit")
    for source in (*config.ingest.sources, *sources):
        if source.startswith(SCHEME):
            read_keys(os.environ, parse_source(source))
        else:
            list_source(source)
    for name in ("reward_judge", "gate_judge"):
        judge: JudgeConfig = getattr(config, name)
        if judge.base_url:
            check_judge(name, judge)


def check_judge(name: str, judge: JudgeConfig) -> None:
    """Ask a judge for its models.

    Raises:
        ConfigError: the URL is no http(s) URL.
        AccessError: it refuses the key.
        TransientError: it does not answer.
    """
    if not judge.base_url.startswith(("http://", "https://")):
        raise ConfigError(f"{name}.base_url {judge.base_url!r}: write a URL such as http://host:8000/v1")
    headers = {}
    if judge.api_key_file:
        headers["authorization"] = f"Bearer {Path(judge.api_key_file).read_text(encoding='utf-8').strip()}"
    request = urllib.request.Request(f"{judge.base_url.rstrip('/')}/models", headers=headers)  # noqa: S310 - scheme checked above
    try:
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310
            return
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            raise AccessError(f"{name}: {judge.base_url} refuses the key (HTTP {error.code}): check {name}.api_key_file") from error
        if error.code >= 500:
            raise TransientError(f"{name}: {judge.base_url} answers HTTP {error.code}: run the same command again") from error
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise TransientError(f"{name}: {judge.base_url} does not answer ({reason}): start it, or correct {name}.base_url") from error
