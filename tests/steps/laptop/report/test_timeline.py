from __future__ import annotations

from xml.etree import ElementTree

import pytest

from steps.laptop.report.record import CanaryPoint
from steps.laptop.report.timeline import canary_timeline, marks_of, tone_of

from .factories import make_timeline


def points(**overrides):
    return [CanaryPoint.model_validate(point) for point in make_timeline(**overrides)]


@pytest.mark.parametrize("width", [1000, 340])
def test_draws_weights_both_versions_and_marks(width):
    root = ElementTree.fromstring(canary_timeline(points(), width))
    classes = [element.get("class", "") for element in root.iter("path")]
    assert {"area accent", "line ink", "line base-line", "line accent"} <= set(classes)
    badges = [element.text for element in root.iter("text") if element.get("class") == "lbl badge"]
    assert badges == ["1", "2", "3", "4", "5", "6"]


@pytest.mark.parametrize("width", [1000, 340])
def test_numbers_do_not_cover_each_other(width):
    root = ElementTree.fromstring(canary_timeline(points(), width))
    places = [(float(dot.get("cx")), float(dot.get("cy"))) for dot in root.iter("circle") if dot.get("r") == "9"]
    for index, (x, y) in enumerate(places):
        assert all(abs(x - other_x) >= 18 or abs(y - other_y) >= 18 for other_x, other_y in places[:index])


def test_abort_is_the_last_mark():
    last = marks_of(points(weights=(5, 25), sabotage_at=25))[-1]
    assert (last.text, last.tone) == ("aborted", "bad")
    assert marks_of(points())[1].text == "analysis at 5 %: Successful"


def test_order_of_points_does_not_matter():
    assert canary_timeline(points()[::-1], 400) == canary_timeline(points(), 400)


def test_without_scores_only_traffic_is_drawn():
    drawn = canary_timeline([CanaryPoint(t_s=0, weight=5), CanaryPoint(t_s=3, weight=0, event="aborted")], 400)
    assert "Faithfulness of live" not in drawn
    ElementTree.fromstring(drawn)


def test_one_point_and_none():
    ElementTree.fromstring(canary_timeline([CanaryPoint(t_s=0.0, weight=5)], 340))
    assert "not measured" in canary_timeline([], 340)


@pytest.mark.parametrize(
    ("words", "tone"),
    [("Successful", "good"), ("Failed", "bad"), ("Error", "bad"), ("Inconclusive", "warn"), ("weight 5 %", "plain"), ("ABORTED", "bad")],
)
def test_tone_of(words, tone):
    assert tone_of(words) == tone
