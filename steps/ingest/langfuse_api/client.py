"""HTTP client of Langfuse's public API: pages of observations and scores, with retries in one layer.

Source: Langfuse public API, `GET /api/public/v2/observations` and `GET /api/public/v3/scores`.
"""

from __future__ import annotations

import base64
import http.client
import json
import random
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import orjson

from steps.chat.claims import METADATA_KEYS
from steps.contract.errors import AccessError, ConfigError, DataError, TransientError
from steps.contract.retry_after import retry_after_s
from steps.ingest.langfuse_api.source import PUBLIC_KEY, SECRET_KEY

TRIES = 5
BACKOFF_S = (1.0, 30.0)
TIMEOUT_S = 60.0
MAX_PAGE_BYTES = 32 << 20
"""A larger page is asked for again with half as many rows: memory stays flat however long the prompts are."""
_RETRIED = frozenset({408, 409, 425, 429})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One list of the API.

    Attributes:
        kind: its name in paths and messages.
        path: below the server's address.
        bounds: parameters of the inclusive first and the exclusive last instant.
        limit: rows of a page.
        query: parameters of every request.
        identity: fields that name a row, and its version where rows change.
        core: parameters of a re-poll that looks for unknown rows; empty: a re-poll reads whole rows.
    """

    kind: str
    path: str
    bounds: tuple[str, str]
    limit: int
    query: dict[str, str]
    identity: tuple[str, ...]
    core: dict[str, str]


OBSERVATIONS = Endpoint(
    kind="observations",
    path="/api/public/v2/observations",
    bounds=("fromStartTime", "toStartTime"),
    limit=250,
    query={
        "fields": "core,basic,time,io,metadata,model,usage,prompt,trace_context",
        # Metadata values are cut at 200 characters unless their keys stand here.
        "expandMetadata": ",".join(METADATA_KEYS),
    },
    identity=("traceId", "id"),
    # Another limit than the whole rows': a row that a page's border hides (cursors are cut to milliseconds) shows here.
    core={"fields": "core", "limit": "1000"},
)
SCORES = Endpoint(
    kind="scores",
    path="/api/public/v3/scores",
    bounds=("fromTimestamp", "toTimestamp"),
    limit=100,
    query={"fields": "details,subject,annotation"},
    identity=("id", "name", "timestamp", "updatedAt"),
    core={},
)


class CursorRefusedError(Exception):
    """The server does not accept a cursor that it gave: the list must be read from its start."""


class _RetryableError(Exception):
    """A failure worth another try; `after` is what the server asked to wait, in seconds."""

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


class _LargePageError(Exception):
    """The page is over `MAX_PAGE_BYTES`."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the keys to another host."""

    def redirect_request(self, *_: Any) -> None:
        """Refuse."""


@dataclass(frozen=True, slots=True)
class Page:
    """Rows as the API shows them, and the cursor of the next page; None on the last page."""

    rows: list[Any]
    cursor: str | None


class LangfuseApi:
    """The API of one project.

    Attributes:
        base_url: address of the server.
        requests: HTTP requests sent so far, retries included.
    """

    def __init__(self, base_url: str, keys: tuple[str, str], *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.base_url = base_url
        self._headers = {
            "authorization": "Basic " + base64.b64encode(":".join(keys).encode()).decode(),
            "accept": "application/json",
            "user-agent": "ctp",
        }
        self._opener = urllib.request.build_opener(_NoRedirect)
        self._sleep = sleep
        self.requests = 0

    def read_page(
        self, endpoint: Endpoint, start: datetime, end: datetime, cursor: str | None = None, query: dict[str, str] | None = None
    ) -> Page:
        """One page of the rows in [start, end), newest first.

        Args:
            endpoint: which list.
            start: first instant, UTC.
            end: first instant behind, UTC.
            cursor: of the page; None for the first.
            query: other parameters than the endpoint's own.

        Raises:
            CursorRefusedError: the server refuses the cursor.
            TransientError: it is unreachable, busy, or answers no page, after all tries.
            AccessError: it refuses the keys.
            ConfigError: it has no such list.
            DataError: one row alone is over the largest page.
        """
        parameters = {"limit": str(endpoint.limit), **(endpoint.query if query is None else query)}
        parameters |= {endpoint.bounds[0]: as_text(start), endpoint.bounds[1]: as_text(end)}
        if cursor is not None:
            parameters["cursor"] = cursor
        while True:
            try:
                page = self._read(f"{self.base_url}{endpoint.path}?{urlencode(parameters)}", endpoint, cursor)
            except _LargePageError:
                rows = int(parameters["limit"]) // 2
                if not rows:
                    raise DataError(f"{self.base_url}: a row of {endpoint.kind} before {end} is over {MAX_PAGE_BYTES >> 20} MiB") from None
                parameters["limit"] = str(rows)
                continue
            if page.cursor is not None and page.cursor == cursor:
                raise DataError(f"{self.base_url}: the next page of {endpoint.kind} before {end} is the page itself: report it upstream")
            return page

    def _read(self, url: str, endpoint: Endpoint, cursor: str | None) -> Page:
        """Ask until a page came or the tries are used up."""
        for turn in range(1, TRIES + 1):
            try:
                return _page(self._get(url, endpoint, cursor))
            except _RetryableError as error:
                if turn == TRIES:
                    remedy = "start it or correct the source, then run the same command again"
                    raise TransientError(f"{self.base_url} ({endpoint.kind}): {error} ({TRIES} tries): {remedy}") from None
                pause = min(BACKOFF_S[1], BACKOFF_S[0] * 2 ** (turn - 1)) * random.uniform(0.5, 1.0)
                self._sleep(pause if error.after is None else error.after)
        raise AssertionError("TRIES is at least 1")

    def _get(self, url: str, endpoint: Endpoint, cursor: str | None) -> bytes:
        """One request."""
        self.requests += 1
        request = urllib.request.Request(url, headers=self._headers)  # noqa: S310 - the scheme is http or https
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as response:
                body: bytes = response.read(MAX_PAGE_BYTES + 1)
        except urllib.error.HTTPError as error:
            with error:
                raise self._refusal(error, endpoint, cursor) from None
        except TimeoutError:
            raise _RetryableError(f"no answer within {TIMEOUT_S:g} s") from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise _RetryableError(f"not reachable ({type(reason).__name__})") from None
        if len(body) > MAX_PAGE_BYTES:
            raise _LargePageError
        return body

    def _refusal(self, error: urllib.error.HTTPError, endpoint: Endpoint, cursor: str | None) -> Exception:
        """What a status other than 200 stands for."""
        where = f"{self.base_url} ({endpoint.kind})"
        if error.code in (401, 403):
            return AccessError(f"{where}: HTTP {error.code}: {PUBLIC_KEY} and {SECRET_KEY} must be keys of this project that may read it")
        if error.code in (404, 405, 501):
            return ConfigError(
                f"{where}: HTTP {error.code}: no {endpoint.path}: update this Langfuse server (4 with v4 tables), or read its export"
            )
        if error.code in _RETRIED or error.code >= 500:
            return _RetryableError(f"HTTP {error.code}", retry_after_s(error.headers.get("Retry-After")))
        if error.code == 400 and cursor is not None:
            return CursorRefusedError()
        if 300 <= error.code < 400:
            return ConfigError(f"{where}: HTTP {error.code}: it redirects: write the host that it redirects to")
        return ConfigError(f"{where}: HTTP {error.code}: this server does not know what is asked for: update it, or read its export")


def as_text(moment: datetime) -> str:
    """A UTC time in the API's form, to the millisecond."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _page(body: bytes) -> Page:
    """The page in a body; a body that is no page is worth another try."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            document = json.loads(body)  # takes half of a surrogate pair, which costs the reader one row and not the page
        except (ValueError, RecursionError):
            raise _RetryableError("the answer is not JSON") from None
    meta = document.get("meta") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(document.get("data"), list) or not isinstance(meta or {}, dict):
        raise _RetryableError("the answer is no page of rows")
    cursor = (meta or {}).get("cursor")
    return Page(document["data"], cursor if isinstance(cursor, str) and cursor else None)
