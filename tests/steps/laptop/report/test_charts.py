from __future__ import annotations

from xml.etree import ElementTree

import pytest

from steps.laptop.report.charts import Bar, Effect, Series, bars, forest, histogram, lines, meter

NAN = float("nan")
WIDTHS = [1000, 340]


def numbers_in(drawing: str) -> list[float]:
    """Every coordinate of a drawing; raises when one is no number."""
    root = ElementTree.fromstring(drawing)
    names = ("x", "y", "width", "height", "cx", "cy", "x1", "x2", "y1", "y2")
    return [float(element.get(name)) for element in root.iter() for name in names if element.get(name)]


def texts_in(drawing: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(drawing).iter("text")]


@pytest.mark.parametrize("width", WIDTHS)
def test_bars(width):
    drawn = bars("Traces", [Bar("read", 200), Bar("stopped", 50, "bad", "25 %"), Bar("none", 0), Bar("unknown", NAN)], width)
    assert {"read", "200", "50 · 25 %", "0", "–"} <= set(texts_in(drawn))
    lengths = [float(element.get("width", "")) for element in ElementTree.fromstring(drawn).iter("rect")]
    long, short = (length for length in lengths if length > 0)
    assert long == pytest.approx(4 * short, rel=0.01)
    assert max(numbers_in(drawn)) <= width


def test_bars_shorten_long_labels():
    assert any(label.endswith("…") for label in texts_in(bars("x", [Bar("l" * 300, 1)], 1000)))


@pytest.mark.parametrize("width", WIDTHS)
def test_histogram(width):
    drawn = histogram("Reward", [0, 5, 10, 1], width, mean=0.6)
    root = ElementTree.fromstring(drawn)
    assert len(list(root.iter("rect"))) == 4
    assert "0.50–0.75: 10 traces" in drawn
    assert "mean 0.60" in texts_in(drawn)
    assert max(numbers_in(drawn)) <= width


@pytest.mark.parametrize("width", WIDTHS)
def test_lines_keep_gaps(width):
    points = ((1.0, 0.5), (2.0, 0.6), (3.0, None), (4.0, NAN), (5.0, 0.7), (6.0, 0.8))
    drawn = lines("Loss", [Series("loss", points)], width, x_name="step")
    root = ElementTree.fromstring(drawn)
    assert len([path for path in root.iter("path") if path.get("class") == "line accent"]) == 2
    assert len(list(root.iter("circle"))) == 4
    assert "nan" not in drawn.lower()


def test_one_point_is_a_dot():
    drawn = lines("Loss", [Series("loss", ((3.0, 0.5),))], 300, x_name="step")
    assert 'class="fill accent"' in drawn


def test_two_lines_have_a_legend():
    drawn = lines("p99", [Series("stable", ((0, 1.0), (1, 2.0))), Series("canary", ((0, 2.0), (1, 3.0)))], 400, x_name="s")
    assert {"stable", "canary"} <= set(texts_in(drawn))


@pytest.mark.parametrize("width", WIDTHS)
def test_forest(width):
    rows = [Effect("faithfulness", 0.38, 0.31, 0.44, limit=-0.03), Effect("fluency", -0.01, None, NAN), Effect("none", None, None, None)]
    drawn = forest("Gate", rows, width)
    root = ElementTree.fromstring(drawn)
    assert len(list(root.iter("circle"))) == 2
    assert len([line for line in root.iter("line") if "whisker" in line.get("class", "")]) == 3
    assert len([line for line in root.iter("line") if line.get("class") == "limit"]) == 1
    assert max(numbers_in(drawn)) <= width


@pytest.mark.parametrize(
    "drawn",
    [
        bars("Chart", [], 400),
        histogram("Chart", [], 400),
        histogram("Chart", [0, 0], 400),
        lines("Chart", [Series("a", ())], 400, x_name="s"),
        lines("Chart", [Series("a", ((1.0, None), (2.0, NAN)))], 400, x_name="s"),
        forest("Chart", [Effect("a", NAN, None, None)], 400),
    ],
)
def test_nothing_measured_says_so(drawn):
    assert drawn == '<p class="none">Chart: not measured in this run.</p>'


def test_hostile_labels_are_escaped():
    evil = "</title></svg><script>alert(1)</script>"
    plotted = lines(evil, [Series(evil, ((0, 1.0),))], 340, x_name=evil)
    for drawn in (bars(evil, [Bar(evil, 1, note=evil)], 340), plotted, forest(evil, [Effect(evil, 1, 0, 2, note=evil)], 340)):
        assert "<script" not in drawn
        ElementTree.fromstring(drawn)


def test_meter_is_a_share_of_the_longest():
    assert 'width="25"' in meter(1.0, 4.0)
    assert 'width="0"' in meter(None, 4.0)
