from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest

from steps.laptop.report.page import render_page, write_report
from steps.laptop.report.record import RunReport, read_report

from .factories import make_aborted, make_fields, make_finding, make_gate, make_metric, make_pair, make_rejected, make_report, make_timeline

EVIL = '"></script></title></style></p><script>alert(1)</script><img src=x onerror=alert(2)> {{ 7*7 }} \u202etxet \ud800\x00 https://evil.example/'
VOID = {"meta", "br", "img", "link", "input"}
MAKERS = [make_report, make_rejected, make_aborted]


class Page(HTMLParser):
    """Collects what a browser would see, and insists that every element is closed."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text += data


def hostile() -> RunReport:
    """Attack text in every field that holds text."""
    fields = make_fields(outcome="rejected", reason=EVIL, run_id=EVIL, config_hash=EVIL, versions={EVIL: EVIL})
    fields["dataset"] |= {"digest": EVIL, "examples": (make_pair(question=EVIL * 50, contexts=(EVIL,) * 9, chosen=EVIL, rejected=""),) * 9}
    example = {"question": EVIL, "contexts": (EVIL,), "champion": EVIL, "candidate": EVIL}
    findings = (make_finding(EVIL, float("nan"), 0.1, ok=False, reason=EVIL),)
    fields["gate"] = make_gate(phase="Failed", metrics={EVIL: make_metric(0.2, 0.3)}, findings=findings, examples=(example,))
    fields["label"] |= {"components": {EVIL: (1, 2, 3)}}
    fields["train"] |= {"curves": ({"step": 1, EVIL: 0.5}, {"step": 2, EVIL: 0.4})}
    fields["canary"] |= {"reason": EVIL, "timeline": ({"t_s": 1, "weight": 5, "event": EVIL}, {"t_s": 2, "weight": 5})}
    fields["canary"]["steps"] = ({"weight": 5, "observed_share": None, "requests": 1, "verdict": EVIL},)
    fields["approvals"] = tuple(approval | {"name": EVIL, "by": EVIL, "shown": {EVIL: EVIL}} for approval in fields["approvals"])
    fields["registry"] = {"champion": EVIL, "candidate": EVIL, "previous": EVIL}
    fields["release"] = {"commit": EVIL, "previous_commit": EVIL, "reverted": True, "revert_commit": EVIL}
    fields["seconds"] = fields["cpu_seconds"] = fields["cost_usd"] = {EVIL: 1.0}
    return RunReport.model_validate(fields)


@pytest.mark.parametrize("make", MAKERS)
def test_each_outcome_renders_whole(make):
    record = make()
    page = Page(render_page(record))
    assert page.text.lstrip().startswith(record.outcome.title())
    assert {"h1", "h2", "svg", "table", "caption"} <= page.tags
    assert "None" not in page.text
    assert "nan" not in re.findall(r"\w+", page.text)


@pytest.mark.parametrize("make", [*MAKERS, hostile])
def test_page_needs_nothing_else(make):
    html = render_page(make())
    page = Page(html)
    assert not page.tags & {"script", "link", "img", "iframe", "object", "embed", "form", "base", "image", "use", "foreignObject"}
    for tag, name, value in page.attributes:
        assert name not in ("src", "srcset", "style", "action", "xlink:href", "background") and not name.startswith("on"), (tag, name)
        if name == "href":
            assert value.startswith("#"), value
    css = html[html.index("<style>") : html.index("</style>")]
    assert "url(" not in css
    assert "@import" not in css
    if make is not hostile:
        assert "http:" not in html
        assert "https:" not in html


def test_policy_allows_only_the_style_sheet():
    html = render_page(make_report())
    assert re.search(r"default-src &#39;none&#39;|default-src 'none'", html)
    assert re.search(r"style-src 'sha256-[A-Za-z0-9+/=]{44}'", html)


def test_hostile_text_is_shown_not_obeyed():
    html = render_page(hostile())
    page = Page(html)
    assert "<script" not in html
    assert "onerror=alert(2)> {{ 7*7 }}" in page.text
    assert "49" not in re.findall(r"\b49\b", page.text)
    assert "\u202e" not in html
    html.encode("utf-8")


def test_links_lead_somewhere():
    for make in MAKERS:
        page = Page(render_page(make()))
        ids = [value for _, name, value in page.attributes if name == "id"]
        assert len(ids) == len(set(ids))
        assert {value[1:] for _, name, value in page.attributes if name == "href"} <= set(ids)


def test_smallest_record_renders():
    page = Page(render_page(RunReport(run_id="r", seed=0, method="grpo", outcome="rejected", reason="no trace passed the gates")))
    assert "Rejected: no trace passed the gates." in page.text


def test_blocks_with_nothing_measured_render():
    nothing = dict.fromkeys(("champion", "candidate", "delta", "ci95"), None) | {"n": 0}
    record = make_report(
        label={"labelled": 0, "llm_calls": 0, "mean_score": float("nan"), "histogram": ()},
        train={"steps": 0, "seconds": 0.0, "curves": [{"step": 1, "loss": float("nan")}]},
        gate={"phase": "Error", "metrics": {"faithfulness": nothing}},
        canary={"steps": (), "user_errors": 0, "timeline": ()},
        registry={"champion": None, "candidate": None},
        release={"commit": None},
        peak_memory_mb=float("nan"),
    )
    assert "not measured in this run" in Page(render_page(record)).text


def test_long_runs_stay_small():
    curves = tuple({"step": step, **{f"metric_{index}": step * 0.1 for index in range(12)}} for step in range(5000))
    fields = make_fields(train={"steps": 5000, "seconds": 1.0, "curves": curves})
    fields["dataset"]["examples"] = (make_pair(chosen="word " * 20_000, contexts=("context " * 9000,) * 20),) * 50
    fields["canary"]["timeline"] = tuple(
        point | {"t_s": point["t_s"] + 40 * lap, "event": ""} for lap in range(40) for point in make_timeline()
    )
    html = render_page(RunReport.model_validate(fields))
    assert len(html.encode()) < 600_000
    assert "(100,000 characters in all)" in html
    assert "44 more in report.json" in html


def test_same_record_same_bytes():
    assert render_page(make_aborted()) == render_page(make_aborted())


@pytest.mark.parametrize("make", [*MAKERS, hostile])
def test_write_report(make, tmp_path):
    record = make()
    json_path, html_path = write_report(record, tmp_path / "runs" / "one")
    assert (json_path.name, html_path.name) == ("report.json", "report.html")
    assert read_report(json_path) == record
    assert "NaN" not in json.dumps(json.loads(json_path.read_text()))
    assert html_path.stat().st_size < 600_000
    assert sorted(path.name for path in json_path.parent.iterdir()) == ["report.html", "report.json"]
