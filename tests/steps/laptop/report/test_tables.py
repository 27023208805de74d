from __future__ import annotations

from steps.laptop.report.tables import approval_facts, cost_rows, provenance, reproduce

from .factories import make_fields, make_rejected, make_report


def test_approval_facts_read_well():
    shown = {"curate.pairs": 204, "label.mean_score": "0.5812345678", "curate.digest": "ab" * 32, "sure": True, "none": None, "x": 0.123456}
    approval = {**make_fields()["approvals"][0], "shown": shown}
    facts = dict(approval_facts(make_report(approvals=(approval,)).approvals[0]))
    assert facts == {"Pairs": "204", "Mean score": "0.5812", "Digest": "ab" * 8 + "…", "Sure": "yes", "None": "–", "X": "0.1235"}


def test_cost_rows_end_with_the_total():
    rows = cost_rows(make_report(seconds={"train": 60.0, "gate": 2.0}, cpu_seconds={"train": 90.0, "gate": None}, cost_usd={"other": 1.0}))
    assert [row.title for row in rows] == ["Train", "Gate", "Other", "Total"]
    assert (rows[1].cpu, rows[2].wall) == ("–", "–")
    assert (rows[-1].wall, rows[-1].cpu, rows[-1].cost) == ("1 min 02 s", "1 min 30 s", "$1.00")


def test_no_stages_no_rows():
    assert cost_rows(make_report(seconds={}, cpu_seconds={}, cost_usd={})) == []


def test_provenance_leaves_out_what_a_run_has_not():
    names = [name for name, _ in provenance(make_rejected(dataset=None, peak_memory_mb=None))]
    assert "Dataset digest" not in names
    assert "Peak memory" not in names
    assert "Traces snapshot" in names


def test_reproduce_names_the_candidate():
    assert reproduce(make_report())[0][0] == "ctp reproduce agent-model@3"
    assert reproduce(make_report(registry={"champion": 3, "candidate": 4}))[0][0] == "ctp reproduce agent-model@4"
    assert [command for command, _ in reproduce(make_rejected())] == ["ctp run --seed 0 --method dpo"]
