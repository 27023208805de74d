"""Notification of the configured webhook: how a run ended, as JSON."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

from steps.contract.config import NotifyConfig


def notify(payload: dict[str, Any], config: NotifyConfig) -> tuple[bool, str]:
    """Post the payload to the configured webhook: whether it was taken, and why not; no webhook is no reason."""
    if not config.webhook_url_file:
        return False, ""
    try:
        _post(payload, config)
    except Exception as error:
        # The URL holds a secret: only the kind of failure is shown.
        return False, f"not notified: {type(error).__name__}"
    return True, ""


def _post(payload: dict[str, Any], config: NotifyConfig) -> None:
    """POST the outcome as JSON.

    Raises:
        ValueError: the file holds no http(s) URL.
        OSError: the file cannot be read, or nobody takes the request.
    """
    url = Path(config.webhook_url_file).read_text(encoding="utf-8").strip()
    if not url.startswith(("https://", "http://")):
        raise ValueError("no http(s) URL")
    request = urllib.request.Request(  # noqa: S310 - scheme checked above
        url, data=json.dumps(payload).encode(), headers={"content-type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=config.timeout_s):  # noqa: S310
        pass
