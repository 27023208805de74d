"""Dashboard *Data rights*: whose data is used, what the gates stopped, and how old the oldest erasure is."""

from __future__ import annotations

from workflows.generate.dashboards.panels import Json, bars, dashboard, series, stat


def build() -> Json:
    """The dashboard."""
    oldest = "(time() - (max(ctp:erasure_oldest_open_timestamp_seconds:last) > 0)) or 0 * max(ctp:erasures_open:last)"
    done = 'ctp:run_started_timestamp_seconds:last{status="Succeeded",workflow=~"erase-user|table-maintenance"}'
    consented = '1 - max(ctp:gate_stopped:ratio{gate="consent"})'
    days = ((None, "green"), (14 * 86400.0, "yellow"), (30 * 86400.0, "red"))
    panels = [
        stat("With consent", "Share of the last ingest's traces that the consent gate did not stop.", consented, "percentunit"),
        stat("Kept", "Share that passed all gates.", _kept(), "percentunit"),
        stat("Open erasures", "Asked for and not complete, as the last erasure or maintenance saw them.", "ctp:erasures_open:last"),
        stat("Age of the oldest", "Since it was asked for; 0 without any. The law gives a month.", oldest, "s", limits=days),
        bars("Gate ledger of the last ingest", "Traces stopped by each gate.", "ctp:gate_stopped_traces:last", "{{gate}}", width=12),
        series("Share stopped by gate", "Of what was read.", [("ctp:gate_stopped:ratio", "{{gate}}")], "percentunit", width=12),
        series("Consent over time", "Share of traces that the consent gate did not stop.", [(consented, "with consent")], "percentunit"),
        series("Unreadable", "Share of input in quarantine.", [("ctp:quarantined:ratio", "quarantined")], "percentunit"),
        series("Erasures", "Open ones over time.", [("ctp:erasures_open:last", "open")]),
        stat(
            "Last done",
            "Since the last successful erasure and maintenance began.",
            f"time() - max by (workflow) ({done})",
            "s",
            "{{workflow}}",
            width=12,
        ),
        stat(
            "Retired by retention",
            "Traces that the last maintenance deleted as too old.",
            'max(ctp:stage_rows:last{stage="maintain"})',
            width=12,
        ),
    ]
    return dashboard("rights", "CTP · Data rights", "Consent, gates and erasures.", panels, since="now-30d")


def _kept() -> str:
    return 'max(ctp:ingest_traces:last{result="written"}) / max(ctp:ingest_traces:last{result="read"} > 0)'
