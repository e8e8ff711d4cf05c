"""The invoice report: a row a line, safe in a spreadsheet, and equal to the ledger."""

import csv
import io
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command

from billing import closing
from billing.reports import invoices
from billing.reports.cells import text_cell
from tests.billing.conftest import JUNE, MAY

DUE = JUNE + timedelta(hours=2)


@pytest.fixture
def two_invoices(make_customer, subscribe, send):
    acme, rival = make_customer("acme"), make_customer("rival", "USD")
    rival.name = "=HYPERLINK(evil)"
    rival.save()
    subscribe(acme)
    subscribe(rival, "hybrid")
    send.turns(acme, MAY, 10)
    send.fold(JUNE)
    return closing.close_due(now=DUE).invoices


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_every_line_is_a_row_and_the_totals_are_the_ledgers(two_invoices, tmp_path, capsys):
    path = tmp_path / "invoices.csv"
    call_command("export", "invoices", format="csv", out=path)
    found = rows(path.read_text())
    assert [(row["invoice"], row["line"], row["amount"]) for row in found[:4]] == [
        ("AM-000001", "1", "0.20"),
        ("AM-000001", "2", "0.00"),
        ("AM-000001", "3", "0.00"),
        ("AM-000002", "1", "49.00"),
    ]
    assert capsys.readouterr().err.strip() == (
        "7 lines of 2 invoices. 0.20 EUR invoiced, 0.20 EUR booked as revenue."
        " 49.00 USD invoiced, 49.00 USD booked as revenue."
    )


def test_without_a_file_it_goes_to_standard_output(two_invoices, capsys):
    call_command("export", "invoices")
    assert len(rows(capsys.readouterr().out)) == 7


def test_a_customers_text_is_never_a_formula(two_invoices):
    out = io.StringIO()
    invoices.write_csv(out=out)
    assert {row["customer_name"] for row in rows(out.getvalue())} == {"Acme", "'=HYPERLINK(evil)"}


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@a", "\t=1", "\r=1", "\n=1"])
def test_what_would_start_a_formula_is_quoted(text):
    assert text_cell(text) == f"'{text}"
    assert text_cell(f"a{text}") == f"a{text}"


def test_days_of_issue_bound_the_report(two_invoices):
    for options, expected in [({"since": DUE}, 7), ({"until": DUE}, 0), ({"since": MAY, "until": DUE}, 0)]:
        out = io.StringIO()
        assert invoices.write_csv(out=out, **options).lines == expected


def test_the_command_takes_days(two_invoices, capsys):
    call_command("export", "invoices", "--from", "2026-06-01", "--to", "2026-06-02")
    assert len(rows(capsys.readouterr().out)) == 7
    call_command("export", "invoices", "--from", "2026-06-02")
    assert rows(capsys.readouterr().out) == []


def test_what_is_no_day_is_refused(db):
    with pytest.raises(CommandError, match="tomorrow"):
        call_command("export", "invoices", "--from", "tomorrow")


def test_a_file_that_cannot_be_written_is_named(db, tmp_path):
    with pytest.raises(CommandError, match="--out"):
        call_command("export", "invoices", out=tmp_path / "nowhere" / "invoices.csv")


def test_a_difference_from_the_ledger_fails_the_command(two_invoices, monkeypatch, capsys):
    monkeypatch.setattr(invoices.Totals, "__str__", lambda _: "")
    real = invoices.Totals.add
    monkeypatch.setattr(
        invoices.Totals, "add", lambda self, invoice, lines, booked: real(self, invoice, lines, booked + Decimal(1))
    )
    with pytest.raises(CommandError, match="AM-000001, AM-000002"):
        call_command("export", "invoices")
