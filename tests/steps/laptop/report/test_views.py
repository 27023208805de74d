from __future__ import annotations

from steps.laptop.report.record import CanaryPoint
from steps.laptop.report.views import MAX_CURVES, Drawings, thin, thin_timeline

from .factories import make_gate, make_metric, make_report


def test_thin_keeps_ends():
    rows = thin(range(1000), 10)
    assert (rows[0], rows[-1], len(rows)) == (0, 999, 10)
    assert thin(range(3), 10) == [0, 1, 2]


def test_thin_timeline_keeps_events_and_weight_changes():
    points = [CanaryPoint(t_s=t, weight=5 if t < 501 else 25, event="Successful" if t == 777 else "") for t in range(1000)]
    kept = {point.t_s for point in thin_timeline(points, 10)}
    assert {0, 501, 777, 999} <= kept
    assert len(kept) <= 12


def test_curves_are_limited_and_ordered():
    names = ["zeta", "alpha", "loss", "b", "c", "d", "e"]
    curves = [{"step": step, "learning_rate": 0.1, "empty": None, **dict.fromkeys(names, 1.0)} for step in range(4)]
    drawn = Drawings(make_report(train={"steps": 4, "seconds": 1.0, "curves": curves})).curves()
    assert drawn[0][0] == "Loss"
    assert len(drawn) == MAX_CURVES
    assert not {"Learning rate", "Empty"} & {name for name, _ in drawn}


def test_forest_colours_follow_what_is_better():
    metrics = {"refusal": make_metric(0.1, 0.3, 0.05, better="lower"), "latency": make_metric(1.0, 2.0, unit="ms")}
    drawn = Drawings(make_report(gate=make_gate(metrics=metrics))).effects()
    assert "fill bad ring" in drawn
    assert "Latency" not in drawn


def test_charts_come_in_two_widths():
    drawn = Drawings(make_report()).intake()
    assert drawn.startswith('<div class="wide"><svg')
    assert '<div class="narrow"><svg' in drawn
