"""An invoice explained: line, tiers, windows, events, batches, signatures; by function, over HTTP and as a command."""

import io
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from rest_framework.test import APIClient

from agents.models.keys import Scope
from billing import explain
from billing.errors import InvoiceStateError
from billing.explain import Measured
from billing.proof.checking import prove
from metering import archive, partitions
from metering.models import Seal
from tests import factories
from tests.billing import agreement
from tests.billing.bundles import deliver
from tests.billing.conftest import JUNE, MAY
from tests.examples import stage
from tests.examples.documents import PATHS, read
from tests.factories import SigningDevice

DAY = timedelta(days=1)
TIERS = {"kind": "graduated", "tiers": [{"up_to": "4", "unit": "1"}, {"up_to": "inf", "unit": "0.50"}]}


@pytest.fixture
def invoice(acme, send):
    device = SigningDevice()
    device.enrol(acme)
    subscription = agreement.start(
        acme,
        agreement.plan(agreement.fee("49"), agreement.metered("0.10", price=TIERS, filters={"agent": ["agent-1"]})),
    )
    deliver(acme, device, MAY + DAY, "a", "b", "c")
    deliver(acme, device, MAY + 3 * DAY, "d", "e")
    send.turns(acme, MAY + 3 * DAY, agent="agent-1")
    send.turns(acme, MAY + 3 * DAY, agent="another")
    (made,) = agreement.close(subscription, JUNE)
    return made


@pytest.fixture
def get(acme):
    caller = APIClient()
    caller.credentials(HTTP_AUTHORIZATION=f"Bearer {factories.api_key(acme, scopes=(Scope.INVOICES_READ,))}")
    return lambda path, **query: caller.get(f"/v1/invoices/{path}", query)


def measured_by(invoice, position=2) -> Measured:
    found = explain.line(invoice=invoice, position=position).measured
    assert found is not None
    return found


def ids(page):
    return [one.event.id for one in page.events]


def test_every_line_says_what_it_measured_and_how_it_was_priced(invoice):
    base, turns = explain.lines(invoice=invoice)
    measured = measured_by(invoice)
    assert (base.measured, measured.meter, measured.filters) == (None, "turns", {"agent": ["agent-1"]})
    assert (measured.starts_at, measured.ends_at, measured.as_of) == (MAY, JUNE, invoice.fold)
    assert [row["text"] for row in turns.line.detail] == ["up to 4", "above 4"]


def test_windows_add_up_to_the_line(invoice, tmp_path):
    rows = explain.windows(measured=measured_by(invoice), zone="UTC", archives=tmp_path).rows
    assert [(row.starts_at.day, int(row.quantity)) for row in rows] == [(2, 3), (4, 3)]


def test_events_come_in_pages_each_with_its_batch_and_its_signature(invoice, tmp_path):
    measured = measured_by(invoice)
    first = explain.events(measured=measured, archives=tmp_path, limit=4)
    rest = explain.events(measured=measured, archives=tmp_path, limit=4, after=first.following)
    assert (ids(first), len(ids(rest)), rest.following) == (["a", "b", "c", "d"], 2, None)
    signed = [one.signed and (one.signed.device, one.signed.sequence, one.signed.holds) for one in first.events]
    assert signed == [("edge-1", number, True) for number in (1, 2, 3, 4)]
    assert [one.signed for one in rest.events if one.event.source == "urn:test:device"] == [None]
    assert len(explain.events(measured=measured, archives=tmp_path, limit=6).events) == 6


def test_usage_of_a_later_fold_is_not_of_the_line(invoice, acme, send, tmp_path):
    send.turns(acme, MAY + 2 * DAY, agent="agent-1")
    send.fold(JUNE + DAY)
    measured = measured_by(invoice)
    assert len(explain.events(measured=measured, archives=tmp_path).events) == 6
    assert sum(row.quantity for row in explain.windows(measured=measured, zone="UTC", archives=tmp_path).rows) == 6


def test_usage_that_came_late_is_explained_by_what_came_late(invoice, acme, send, tmp_path):
    send.turns(acme, MAY + 2 * DAY, 2, agent="agent-1")
    later = agreement.close(acme.subscriptions.get(), JUNE + 30 * DAY)[-1]
    (late,) = (one.line for one in explain.lines(invoice=later) if one.line.kind == "late")
    measured = measured_by(later, late.position)
    assert (int(late.quantity), measured.since) == (2, invoice.fold)
    assert len(explain.events(measured=measured, archives=tmp_path).events) == 2


def test_what_is_archived_is_explained_all_the_same(invoice, tmp_path):
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    for month in partitions.months():
        if month.starts_at <= MAY:
            archive.archive(month=month, folder=tmp_path, now=JUNE + 40 * DAY)
    measured = measured_by(invoice)
    assert ids(explain.events(measured=measured, archives=tmp_path))[:3] == ["a", "b", "c"]
    assert len(explain.windows(measured=measured, zone="UTC", archives=tmp_path).rows) == 2


def test_a_key_that_was_not_kept_proves_neither(invoice, tmp_path):
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE metering_seal DISABLE TRIGGER USER")
    Seal.objects.filter(batch=min(Seal.objects.values_list("pk", flat=True))).delete()
    Seal.objects.update(public_key=bytes(32))
    measured = measured_by(invoice)
    page = explain.events(measured=measured, archives=tmp_path)
    holds = [str(one.signed and one.signed.holds) for one in page.events]
    assert sorted(holds) == ["False", "False", "None", "None", "None", "None"]


@pytest.mark.parametrize("path", PATHS, ids=[path.stem for path in PATHS])
def test_every_line_with_a_meter_is_explained(path, make_customer, send):
    example = read(path)
    invoice = stage.play(example, customer=make_customer(**example["customer"]), send=send, now=MAY)
    found = explain.lines(invoice=invoice)
    assert [one.line.position for one in found] == list(range(1, len(found) + 1))
    assert [one.line.description for one in found if (one.measured is None) != (not one.line.meter)] == []


def test_a_draft_is_not_explained(invoice):
    invoice.status = "draft"
    with pytest.raises(InvoiceStateError, match="may still change"):
        explain.lines(invoice=invoice)


def test_the_lines_are_explained_over_http(invoice, get):
    answer = get(f"{invoice.number}/explain").json()
    assert (answer["number"], answer["digest"], answer["fold"]) == (invoice.number, invoice.digest, invoice.fold)
    assert [(one["amount"], one["measured"] is None) for one in answer["lines"]] == [("49.00", True), ("5.00", False)]
    assert answer["lines"][1]["tiers"][0] == {"text": "up to 4", "quantity": "4", "unit_price": "1", "amount": "4"}


def test_a_line_is_explained_down_to_signatures_over_http(invoice, get):
    line = get(f"{invoice.number}/explain", line="2", limit="4").json()["line"]
    assert [one["quantity"] for one in line["windows"]] == ["3", "3"]
    assert [one["id"] for one in line["events"]] == ["a", "b", "c", "d"]
    assert line["events"][0]["data"]["turn"] == "a"
    assert line["events"][3]["signed"] | {"signature": "", "public_key": ""} == {
        "device": "edge-1",
        "epoch": 1,
        "sequence": 4,
        "signature": "",
        "public_key": "",
        "holds": True,
    }
    rest = get(f"{invoice.number}/explain", line="2", limit="4", cursor=line["next"]).json()["line"]
    assert (len(rest["events"]), rest["next"]) == (2, None)
    assert get(f"{invoice.number}/explain", line="1").json()["line"]["events"] == []


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"line": "x"}, 400),
        ({"line": "9"}, 404),
        ({"line": "2", "limit": "0"}, 400),
        ({"line": "2", "cursor": "~"}, 400),
        ({"line": "2", "cursor": "MjAyNi0wMi0zMVQwMDowMDowMCswMDowMCAxIDE"}, 400),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(invoice, get, query, status):
    answer = get(f"{invoice.number}/explain", **query)
    assert answer.status_code == status
    assert next(name for name in reversed(query)) in answer.content.decode()


@pytest.mark.parametrize("what", ["explain", "bundle"])
def test_nobody_sees_anothers_proof(invoice, make_customer, what):
    caller, rival = APIClient(), make_customer("rival")
    caller.credentials(HTTP_AUTHORIZATION=f"Bearer {factories.api_key(rival, scopes=(Scope.INVOICES_READ,))}")
    assert caller.get(f"/v1/invoices/{invoice.number}/{what}").status_code == 404


def test_a_bundle_is_downloaded_and_proves_the_invoice(invoice, get):
    answer = get(f"{invoice.number}/bundle")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/zip")
    assert answer["Content-Disposition"] == f'attachment; filename="{invoice.number}.zip"'
    report = prove(io.BytesIO(b"".join(answer.streaming_content)))
    answer.close()
    assert (report.is_proved, report.facts["digest"]) == (True, invoice.digest)


def test_the_command_shows_the_way_from_the_line_to_the_signature(invoice):
    out = StringIO()
    call_command("explain", invoice.number, stdout=out)
    call_command("explain", invoice.number, line=2, limit=2, stdout=out)
    told = out.getvalue()
    assert "2. Turns: 6 turn, 5 EUR" in told
    assert "   up to 4: 4 x 1 = 4\n" in told
    assert "   meter turns, agent in agent-1, 2026-05-01 00:00 to 2026-06-01 00:00\n" in told
    assert "   2026-05-02: 3\n" in told
    assert "edge-1 1/1, signature holds" in told
    assert "more than 2 events" in told


@pytest.mark.parametrize(("number", "line"), [("INV-404", None), (None, 9)])
def test_the_command_says_what_is_not_there(invoice, number, line):
    with pytest.raises(CommandError, match=r"No issued invoice|has no line 9"):
        call_command("explain", number or invoice.number, line=line)
