"""State of one window: which rows it is known to hold and how far its present reading is. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from steps.ingest.langfuse_api.client import Endpoint

_DIGEST_BYTES = 12


@dataclass(slots=True)
class WindowState:
    """How far a window is.

    Attributes:
        poll: number of the reading that is under way, or comes next.
        began: when the reading began that is under way, or was the last; None: never.
        page: number of its next page object.
        cursor: of the next page of the list; None: the first.
        known: digests of the rows that stand in page objects.
    """

    poll: int = 0
    began: datetime | None = None
    page: int = 0
    cursor: str | None = None
    known: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, document: dict[str, Any]) -> WindowState:
        """The state in JSON values.

        Raises:
            ValueError, KeyError, TypeError, AttributeError: they are no state.
        """
        began, cursor = document["began"], document["cursor"]
        return cls(
            poll=int(document["poll"]),
            began=None if began is None else datetime.fromisoformat(began),
            page=int(document["page"]),
            cursor=None if cursor is None else str(cursor),
            known=set(map(str, document["known"])),
        )

    def document(self) -> dict[str, Any]:
        """The state as JSON values."""
        began = None if self.began is None else self.began.isoformat()
        return {"poll": self.poll, "began": began, "page": self.page, "cursor": self.cursor, "known": sorted(self.known)}

    def begin_poll(self, number: int, now: datetime) -> None:
        """Begin a reading, unless it is under way or done."""
        is_fresh = self.poll == number and not self.page and self.cursor is None
        if self.poll < number or is_fresh:
            self.poll, self.began, self.page, self.cursor = number, now, 0, None

    def finish_poll(self) -> None:
        """Note that the reading came to its end."""
        self.poll, self.page, self.cursor = self.poll + 1, 0, None


def identify(row: Any, endpoint: Endpoint) -> str:
    """Digest of one version of a row: 96 bits in hexadecimal, so that state stays small and names no trace."""
    fields = [row.get(name) for name in endpoint.identity] if isinstance(row, dict) else [row]
    text = json.dumps(fields, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=_DIGEST_BYTES).hexdigest()
