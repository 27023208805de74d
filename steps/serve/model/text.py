"""Text from tokens as they arrive: whole characters only, and stop texts cut."""

from __future__ import annotations

from collections.abc import Callable, Sequence

UNFINISHED = "\ufffd"


class TextStream:
    """The text of one answer, token by token.

    A token can end inside a UTF-8 character, and in some vocabularies its text depends
    on the token before, so a short window is decoded with and without the new token.

    Args:
        decode: token ids to text, special tokens left out.
        stop: texts that end the answer.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], stop: tuple[str, ...] = ()) -> None:
        self._decode, self._stop = decode, stop
        self._ids: list[int] = []
        self._window, self._read = 0, 0
        self._given = 0
        self.text = ""
        self.stopped = False

    def push(self, token: int) -> bool:
        """Take one token; True when the text now holds a stop text (and is cut there)."""
        self._ids.append(token)
        known = self._decode(self._ids[self._window : self._read])
        whole = self._decode(self._ids[self._window :])
        if len(whole) > len(known) and not whole.endswith(UNFINISHED):
            self._extend(whole[len(known) :])
            self._window, self._read = self._read, len(self._ids)
        return self.stopped

    def finish(self) -> str:
        """Take what was held back, and return the whole text."""
        if not self.stopped:
            known = self._decode(self._ids[self._window : self._read])
            self._extend(self._decode(self._ids[self._window :])[len(known) :])
            self._window = self._read = len(self._ids)
        return self.text

    def take(self, *, final: bool = False) -> str:
        """The text not yet taken, without an end that may become a stop text."""
        end = len(self.text) - (0 if final or self.stopped else self._held())
        piece = self.text[self._given : end]
        self._given = max(self._given, end)
        return piece

    def _extend(self, piece: str) -> None:
        # A stop text can begin before the piece, at most its own length minus one earlier.
        start = max(0, len(self.text) - max((len(stop) for stop in self._stop), default=1) + 1)
        self.text += piece
        ends = [at for stop in self._stop if (at := self.text.find(stop, start)) >= 0]
        if ends:
            self.text, self.stopped = self.text[: min(ends)], True

    def _held(self) -> int:
        """Length of the longest end of the text that begins a stop text."""
        longest = max((len(stop) - 1 for stop in self._stop), default=0)
        for length in range(min(longest, len(self.text)), 0, -1):
            if any(stop.startswith(self.text[-length:]) for stop in self._stop):
                return length
        return 0
