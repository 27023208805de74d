from __future__ import annotations

import pytest

from steps.laptop.report.svg import Panel, Scale, shorten, svg, tag, text, tick_text, ticks, x_axis, y_axis


def test_tag_escapes_children_and_attributes():
    drawn = tag("text", "<b>&", class_='"><script>', stroke_width=1.25, fill=None)
    assert drawn == '<text class="&#34;&gt;&lt;script&gt;" stroke-width="1.2">&lt;b&gt;&amp;</text>'


def test_tag_without_children_closes_itself():
    assert tag("rect", width=3.0) == '<rect width="3"/>'


@pytest.mark.parametrize(
    ("low", "high", "count", "expected"),
    [
        (0, 1, 4, [0, 0.5, 1.0]),
        (0, 163, 3, [0, 50, 100, 150, 200]),
        (-0.03, 0.45, 6, [-0.1, 0, 0.1, 0.2, 0.3, 0.4, 0.5]),
        (1, 60, 4, [0, 20, 40, 60]),
    ],
)
def test_ticks_are_round_and_cover(low, high, count, expected):
    assert ticks(low, high, count) == pytest.approx(expected)


@pytest.mark.parametrize("value", [0.0, 0.7, -3.0, 1e9])
def test_ticks_of_one_value_still_make_an_axis(value):
    marks = ticks(value, value)
    assert marks[0] <= value <= marks[-1]
    assert len(marks) >= 2


@pytest.mark.parametrize(
    ("value", "step", "expected"),
    [(0.1 + 0.2, 0.1, "0.3"), (-0.1, 0.1, "−0.1"), (1500, 500, "1,500"), (-0.0, 0.5, "0.0"), (2e-5, 1e-5, "2e−5")],
)
def test_tick_text(value, step, expected):
    assert tick_text(value, step) == expected


def test_scale_and_axes():
    panel = Panel(40, 240, 10, 110)
    y, drawn = y_axis(panel, [0, 50, 100])
    assert (y(0), y(100)) == (110, 10)
    assert drawn.count("<line") == 3
    assert ">10<" in x_axis(panel, Scale(0, 10, 40, 240), "s", 2)


def test_shorten():
    assert shorten("short", 100) == "short"
    assert shorten("a very long label", 50) == "a very…"


def test_svg_names_itself():
    drawn = svg("A & B", 100, 40.2, text(0, 0, "x"))
    assert '<title>A &amp; B</title>' in drawn  # fmt: skip
    assert 'viewBox="0 0 100 41" role="img" aria-label="A &amp; B"' in drawn
