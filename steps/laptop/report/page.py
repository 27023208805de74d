"""Render the record as one HTML file that needs nothing else: no script, no network, no font.

Trace text is untrusted, so every value is escaped and clipped, and the page's own
content security policy forbids everything except its one style sheet.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from steps.contract.files import write_atomic, write_json
from steps.laptop.report import numbers, stages, story
from steps.laptop.report.record import RunReport
from steps.laptop.report.tables import approval_facts, cost_rows, provenance, reproduce
from steps.laptop.report.timeline import marks_of, tone_of
from steps.laptop.report.views import Drawings

if TYPE_CHECKING:
    from jinja2 import Environment

REPORT_JSON = "report.json"
REPORT_HTML = "report.html"
TEXT_CHARS = 1200
"""Longest question, context or answer shown; the record keeps the whole text."""
EXAMPLES = 6
"""Examples of each kind that are shown, so that a long run still makes a page a browser likes."""


def _clip(value: str, limit: int = TEXT_CHARS) -> str:
    """Text cut for display, saying so."""
    return value if len(value) <= limit else f"{value[:limit].rstrip()} … ({len(value):,} characters in all)"


def _share_of(part: float | None, whole: float | None) -> str:
    """A part of a whole in percent."""
    return numbers.DASH if part is None or not whole else numbers.percent(part / whole)


_DIRECTION_CONTROLS = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C))


def _in_reading_order(value: Any) -> Any:
    """Drop invisible marks that turn the direction of text: with them a trace could make our own words read differently."""
    if isinstance(value, Markup):
        return Markup(str(value).translate(_DIRECTION_CONTROLS))  # noqa: S704 - escaped before, and only characters are removed
    return value.translate(_DIRECTION_CONTROLS) if isinstance(value, str) else value


@functools.cache
def _environment() -> Environment:
    """The template environment; a name that a template misspells is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("steps.laptop.report", package_path=""),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_in_reading_order,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., Any]] = {
        "clip": _clip,
        "because": story.because,
        "title_of": stages.title_of,
        "stage_title": stages.stage_title,
        "tone_of": tone_of,
        **{
            name: getattr(numbers, name)
            for name in ("count", "score", "signed", "measure", "interval", "plain", "percent", "duration", "dollars", "moment")
        },
    }
    environment.filters.update(filters)
    environment.globals.update(share_of=_share_of, EXAMPLES=EXAMPLES)
    return environment


def render_page(record: RunReport) -> str:
    """The whole page as text. Pure: the same record gives the same bytes."""
    environment = _environment()
    css = "\n".join(line.strip() for line in environment.get_template("report.css.j2").render().splitlines() if line.strip())
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    return environment.get_template("report.html.j2").render(
        record=record,
        css=Markup(css),  # noqa: S704 - our own file, never trace text
        css_digest=digest,
        headline=story.headline(record),
        figures=story.key_figures(record),
        flow=stages.flow(record),
        reasons=story.reasons(record),
        drawings=Drawings(record),
        events=marks_of(record.canary.timeline) if record.canary else [],
        shown=approval_facts,
        costs=cost_rows(record),
        provenance=provenance(record),
        reproduce=reproduce(record),
    )


def write_report(record: RunReport, folder: Path) -> tuple[Path, Path]:
    """Write `report.json` and `report.html` into `folder`, each whole or not at all.

    Returns:
        Their paths, JSON first.

    Raises:
        OSError: the folder is not writable or the disk is full.
    """
    page = render_page(record)
    json_path, html_path = folder / REPORT_JSON, folder / REPORT_HTML
    write_json(json_path, record.model_dump(mode="json"))
    write_atomic(html_path, page)
    return json_path, html_path
