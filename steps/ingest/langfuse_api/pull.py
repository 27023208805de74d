"""Pull of a `langfuse://` source: what the API shows becomes raw objects that ingest reads like any export.

Below the raw place, `langfuse/HOST/PROJECT/pages/` holds one gzip of JSON lines a page, rows as the API gave
them, and `.state/` beside it, a name that listings leave out, how far the pull is. A page is written before
the state that follows it: a kill at any instant repeats one page under the same name.
"""

from __future__ import annotations

import gzip
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from steps.contract.config import IngestConfig
from steps.contract.errors import ConfigError, DataError
from steps.contract.spec import Progress, SilentProgress
from steps.ingest.langfuse_api.client import OBSERVATIONS, SCORES, CursorRefusedError, Endpoint, LangfuseApi
from steps.ingest.langfuse_api.late_rows import late_stretches
from steps.ingest.langfuse_api.raw import RawObjects, open_raw
from steps.ingest.langfuse_api.source import parse_source, read_keys
from steps.ingest.langfuse_api.window_state import WindowState, identify
from steps.ingest.langfuse_api.windows import STAMP, Poll, Schedule, begin_at, from_document, new_schedule, to_document


@dataclass(frozen=True, slots=True)
class PullResult:
    """What a pull did.

    Attributes:
        folder: the URI below which all page objects of the source stand, those of earlier pulls too; "" while there is none.
        objects: page objects written.
        rows: rows in them.
        late_rows: those of them that a re-poll brought.
        requests: HTTP requests sent, retries included.
        windows: readings of a window that came to their end.
        windows_due: readings that were due and are left to the next pull.
    """

    folder: str
    objects: int
    rows: int
    late_rows: int
    requests: int
    windows: int
    windows_due: int


def pull_source(
    source: str,
    raw: str,
    now: datetime,
    config: IngestConfig,
    *,
    environ: Mapping[str, str] = os.environ,
    sleep: Callable[[float], None] = time.sleep,
    progress: Progress | None = None,
) -> PullResult:
    """Read every window that is due, until it is done or `langfuse_pull_s` are over.

    Args:
        source: `langfuse://host/project`.
        raw: folder or `s3://` prefix of raw objects.
        now: the present, UTC; windows are closed by it.
        config: first day, lag, re-polls, time of a pull.
        environ: where the keys are.
        sleep: waits between tries.
        progress: where to report progress.

    Raises:
        ConfigError: the source is malformed, or the server has no such API.
        AccessError: keys are missing or refused, or the raw place may not be written.
        TransientError: the server or the object store does not answer; what was read is kept.
        DataError: the state of the pull cannot be read, or the server's pages have no end.
    """
    place = parse_source(source)
    api = LangfuseApi(place.base_url, read_keys(environ, place), sleep=sleep)
    raw_objects = open_raw(raw)
    root = f"langfuse/{place.folder}"
    kinds = (SCORES,) if place.only_scores else (OBSERVATIONS, SCORES)
    pulls = [_Pull(api, raw_objects, root, endpoint, now, config) for endpoint in kinds]
    deadline = time.monotonic() + config.langfuse_pull_s
    windows = 0
    with (progress or SilentProgress()).task("pulling", total=sum(pull.count_due() for pull in pulls), unit="windows") as task:
        while True:
            due = [(poll, pull) for pull in pulls if (poll := pull.first_due())]
            if not due:
                break
            poll, pull = min(due, key=lambda item: item[0].due)
            if not pull.read(poll, deadline):
                break
            windows += 1
            task.advance(1)
    return PullResult(
        folder=raw_objects.uri(f"{root}/pages") if raw_objects.has_any(f"{root}/pages") else "",
        objects=sum(pull.objects for pull in pulls),
        rows=sum(pull.rows for pull in pulls),
        late_rows=sum(pull.late_rows for pull in pulls),
        requests=api.requests,
        windows=windows,
        windows_due=sum(pull.count_due() for pull in pulls),
    )


class _Pull:
    """The pull of one list of the API."""

    def __init__(self, api: LangfuseApi, raw: RawObjects, root: str, endpoint: Endpoint, now: datetime, config: IngestConfig) -> None:
        self._api, self._raw, self._root, self._endpoint, self._now = api, raw, root, endpoint, now.astimezone(UTC)
        minutes = (config.langfuse_lag_minutes, *config.langfuse_repolls_minutes)
        self._delays = [timedelta(minutes=value) for value in minutes]
        self._schedule = self._load_schedule(config)
        self.objects = self.rows = self.late_rows = 0

    def first_due(self) -> Poll | None:
        """The poll that has been due longest."""
        return self._schedule.first_due(self._now, self._delays)

    def count_due(self) -> int:
        """How many polls are due."""
        return self._schedule.count_due(self._now, self._delays)

    def read(self, poll: Poll, deadline: float) -> bool:
        """Read a window from where its last reading stopped; False when the time was over before its end."""
        state = self._load_window(poll)
        restarted = False
        while state.poll == poll.number:
            if time.monotonic() >= deadline:
                return False
            try:
                self._read_page(poll, state)
            except CursorRefusedError:
                if restarted:
                    raise DataError(
                        f"{self._api.base_url}: it refuses its own cursors of {self._endpoint.kind}: update this server"
                    ) from None
                restarted = True
                state.cursor = None  # rows that are known are not written again
        comes_again = self._schedule.complete(poll, state.began or self._now, self._delays)
        self._raw.write(self._schedule_name(), orjson.dumps(to_document(self._schedule)))
        if not comes_again:
            self._raw.delete(self._window_name(poll.start))
        return True

    def _read_page(self, poll: Poll, state: WindowState) -> None:
        """Read one page of the list, write what is new on it, and save how far the window is."""
        late = bool(poll.number and self._endpoint.core)
        page = self._api.read_page(self._endpoint, poll.start, poll.end, state.cursor, self._endpoint.core if late else None)
        if late:
            for start, end in late_stretches(page.rows, state.known, poll, self._endpoint):
                self._read_stretch(poll, state, start, end)
        else:
            self._write_rows(poll, state, page.rows)
        state.cursor = page.cursor
        if page.cursor is None:
            state.finish_poll()
        if state.known or page.cursor is not None:
            self._save_window(poll, state)

    def _read_stretch(self, poll: Poll, state: WindowState, start: datetime, end: datetime) -> None:
        """Read the whole rows of a stretch of a window in which unknown ones were seen."""
        cursor: str | None = None
        while True:
            page = self._api.read_page(self._endpoint, start, end, cursor)
            if self._write_rows(poll, state, page.rows):
                self._save_window(poll, state)
            cursor = page.cursor
            if cursor is None:
                return

    def _write_rows(self, poll: Poll, state: WindowState, rows: list[Any]) -> int:
        """Write the rows that are not known as the window's next page object; tell how many."""
        unknown = {name: row for row in rows if (name := identify(row, self._endpoint)) not in state.known}
        if not unknown:
            return 0
        self._check_project(unknown.values())
        day, stamp = poll.start.date().isoformat(), poll.start.strftime(STAMP)
        name = f"{self._root}/pages/date={day}/{self._endpoint.kind}-{stamp}-poll{poll.number}-{state.page:05d}.jsonl.gz"
        self._raw.write(name, gzip.compress(b"".join(map(_line, unknown.values())), 6, mtime=0))
        state.known.update(unknown)
        state.page += 1
        self.objects += 1
        self.rows += len(unknown)
        self.late_rows += len(unknown) if poll.number else 0
        return len(unknown)

    def _check_project(self, rows: Iterable[Any]) -> None:
        """Refuse rows of another project than those that were read before.

        Raises:
            ConfigError: the keys are another project's.
        """
        for project in {row["projectId"] for row in rows if isinstance(row, dict) and isinstance(row.get("projectId"), str)}:
            self._schedule.project = self._schedule.project or project
            if project != self._schedule.project:
                raise ConfigError(
                    f"source langfuse://{self._root.partition('/')[2]}: the keys open project {project}, but what was read so far is of "
                    f"project {self._schedule.project}: set the keys of that project, or name another project in the source"
                )

    def _load_schedule(self, config: IngestConfig) -> Schedule:
        since = config.langfuse_since
        content = self._raw.read(self._schedule_name())
        if content is None:
            return new_schedule(since or self._now.date() - timedelta(days=1))
        try:
            schedule = from_document(orjson.loads(content))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._damage(self._schedule_name()) from error
        if schedule.closed:
            self._raw.delete(self._window_name(schedule.closed))  # a kill may have come between the two writes
        return begin_at(schedule, since) if since else schedule

    def _load_window(self, poll: Poll) -> WindowState:
        content = self._raw.read(self._window_name(poll.start))
        try:
            state = WindowState.of(orjson.loads(content)) if content else WindowState()
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._damage(self._window_name(poll.start)) from error
        state.begin_poll(poll.number, self._now)
        return state

    def _save_window(self, poll: Poll, state: WindowState) -> None:
        self._raw.write(self._window_name(poll.start), orjson.dumps(state.document()))

    def _schedule_name(self) -> str:
        return f"{self._root}/.state/{self._endpoint.kind}.json"

    def _window_name(self, start: datetime) -> str:
        return f"{self._root}/.state/{self._endpoint.kind}/{start.strftime(STAMP)}.json"

    def _damage(self, name: str) -> DataError:
        return DataError(f"{self._raw.uri(name)}: not a pull's state: delete it, and what it covers is read again")


def _line(row: Any) -> bytes:
    """A row as one line of JSON; what orjson refuses the standard library writes, and the reader judges."""
    try:
        return orjson.dumps(row) + b"\n"
    except orjson.JSONEncodeError:
        return json.dumps(row).encode() + b"\n"
