from __future__ import annotations

from collections.abc import Sequence

from steps.serve.model.text import TextStream


def decode(ids: Sequence[int]) -> str:
    return bytes(ids).decode("utf-8", "replace")


def feed(text: str, stop: tuple[str, ...] = ()) -> tuple[TextStream, list[str]]:
    stream, pieces = TextStream(decode, stop), []
    for byte in text.encode():
        if stream.push(byte):
            break
        pieces.append(stream.take())
    stream.finish()
    pieces.append(stream.take(final=True))
    return stream, [piece for piece in pieces if piece]


def test_pieces_are_whole_characters_and_add_up() -> None:
    stream, pieces = feed("Größe 漢字 🙂!")
    assert "".join(pieces) == stream.text == "Größe 漢字 🙂!"
    assert not any("\ufffd" in piece for piece in pieces)


def test_a_stop_text_is_cut_and_nothing_of_it_is_sent() -> None:
    stream, pieces = feed("one. two. END three", ("END", "zzz"))
    assert stream.stopped
    assert "".join(pieces) == stream.text == "one. two. "


def test_what_only_begins_like_a_stop_text_is_sent_later() -> None:
    stream, pieces = feed("E EN ENx", ("END",))
    assert not stream.stopped
    assert "".join(pieces) == "E EN ENx"
    assert "E" not in pieces


def test_an_answer_that_ends_inside_a_character_says_so() -> None:
    stream = TextStream(decode)
    for byte in "ab漢".encode()[:-1]:
        stream.push(byte)
    assert stream.finish() == "ab\ufffd"
