"""`ctp cost`: the bill of a run or of a month, and what is left."""

from __future__ import annotations

import json

import pytest
from rich.console import Console

from steps.contract.config import CostConfig, PipelineConfig
from steps.contract.errors import DataError, UsageError
from steps.operate.cost.bill import bill
from steps.operate.cost.command import budget_line, print_bill, read_bill
from steps.operate.cost.ledger import Spent, record_cost
from steps.store.lake import open_lake

from .test_ledger import MONTH, cost, pod


@pytest.fixture
def config(tmp_path):
    given = PipelineConfig.model_validate({"cost": {"monthly_usd_limit": 100.0}})
    with open_lake(given, tmp_path) as lake:
        record_cost(lake, cost("a", pod(usd=25.0)))
        record_cost(lake, cost("b", pod(usd=5.0)))
    return given


def test_the_bill_of_a_run_and_of_the_month(config, tmp_path):
    of_run, spent = read_bill(config, tmp_path, run_id="a")
    assert (of_run.of, of_run.usd, of_run.budget_ratio, spent.usd) == ("a", 25.0, 0.25, 30.0)
    of_month, _ = read_bill(config, tmp_path)
    assert (of_month.of, of_month.runs, of_month.usd) == (MONTH, 2, 30.0)
    assert read_bill(config, tmp_path, month="2001-02")[0].runs == 0
    console = Console(width=140, record=True, quiet=False, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    print_bill(console, of_month, spent)
    console.file.close()
    text = console.export_text()
    assert "train" in text and "30.00 of 100 USD spent or reserved in the month, 70.00 left" in text


@pytest.mark.parametrize(
    ("given", "error"), [({"run_id": "c"}, DataError), ({"month": "2026-13"}, UsageError), ({"run_id": "a", "month": MONTH}, UsageError)]
)
def test_what_cannot_be_billed_is_said(config, tmp_path, given, error):
    with pytest.raises(error):
        read_bill(config, tmp_path, **given)


def test_without_a_ceiling_the_line_says_so():
    assert "no monthly ceiling" in budget_line(bill("x", [], CostConfig()), Spent())


def test_the_command(config, tmp_path):
    from typer.testing import CliRunner

    from steps.cli.main import app

    done = CliRunner().invoke(app, ["cost", "--run", "b", "--workdir", str(tmp_path), "--json"])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document["stages"][0]["stage"] == "train" and document["usd"] == 5.0 and document["month"]["usd"] == 30.0
