"""The stand-alone verifier: it proves every true bundle, and says what of a changed one is wrong, down to the event."""

import json
from datetime import timedelta

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents import intake
from agents.auth import Caller
from agents.devices import Signature
from billing import changes
from billing.errors import InvoiceStateError
from billing.models import Invoice
from billing.proof import layout
from billing.proof.errors import BundleError
from metering import archive, corrections, partitions
from metering.models import Batch, Seal
from metering.partitions import Month
from runtime.wire import CanonicalError, to_base64url
from tests.billing import agreement
from tests.billing.bundles import (
    batches_edited,
    deliver,
    edited,
    events_edited,
    forged,
    found,
    opened,
    pack,
    packed,
    proved,
)
from tests.billing.conftest import JUNE, MAY
from tests.examples import stage
from tests.examples.documents import PATHS, read
from tests.factories import SigningDevice

DAY = timedelta(days=1)
TIERS = {"kind": "graduated", "tiers": [{"up_to": "4", "unit": "1"}, {"up_to": "inf", "unit": "0.50"}]}


@pytest.fixture
def device(acme):
    device = SigningDevice()
    device.enrol(acme)
    return device


@pytest.fixture
def invoice(acme, device, send):
    """49.00 and nine turns in tiers: seven that a device signed in three batches, and two that came unsigned."""
    plan = agreement.plan(agreement.fee("49"), agreement.metered("0.10", price=TIERS))
    subscription = agreement.start(acme, plan)
    deliver(acme, device, MAY + DAY, "a", "b", "c")
    deliver(acme, device, MAY + 2 * DAY, "d", "e", boot=False)
    deliver(acme, device, MAY + 3 * DAY, "f", "g")
    send.turns(acme, MAY + 4 * DAY, 2)
    (made,) = agreement.close(subscription, JUNE)
    return made


@pytest.fixture
def files(invoice, tmp_path):
    return opened(pack(invoice, tmp_path))


def batch_ids(files):
    return [json.loads(line)["id"] for line in files[layout.BATCHES].splitlines()]


@pytest.mark.parametrize("path", PATHS, ids=[path.stem for path in PATHS])
def test_the_bundle_of_every_example_is_proved(path, make_customer, send, tmp_path):
    example = read(path)
    invoice = stage.play(example, customer=make_customer(**example["customer"]), send=send, now=MAY)
    report = proved(pack(invoice, tmp_path))
    assert report.findings == []
    assert (report.facts["invoice"], report.facts["digest"]) == (invoice.number, invoice.digest)


def test_a_bundle_says_what_was_checked(invoice, files):
    report = proved(forged(files))
    assert report.is_proved
    assert {name: report.facts[name] for name in ("lines", "total", "events", "batches", "signed batches")} == {
        "lines": 2,
        "total": "55.5 EUR",
        "events": 9,
        "batches": 4,
        "signed batches": 3,
    }
    assert list(report.facts["device"]) == ["edge-1, epoch 1"]
    assert next(iter(report.lines())) == "PROVED"


def test_the_same_invoice_gives_the_same_bytes(invoice, tmp_path):
    assert pack(invoice, tmp_path) == pack(Invoice.objects.get(pk=invoice.pk), tmp_path)


def test_a_draft_has_no_bundle(invoice, tmp_path):
    invoice.status = "draft"
    with pytest.raises(InvoiceStateError, match="nothing to prove yet"):
        pack(invoice, tmp_path)


def test_a_changed_event_is_named(files):
    def cheat(rows):
        rows[1]["data"]["outcome"] = "runtime_fault"

    changed = events_edited(files, cheat)
    first = batch_ids(files)[0]
    told = found(forged(changed))
    assert ("batch", f"{first} (device edge-1, sequence 1 to 3)") in told
    assert ("line", "2") in told


def test_a_changed_byte_names_its_event(files):
    changed = files | {layout.EVENTS: files[layout.EVENTS].replace(b'"turn":"e"', b'"turn":"x"')}
    second = batch_ids(files)[1]
    assert ("event", f"e of urn:agentmeter:device:edge-1 (batch {second}, place 1)") in found(packed(changed))


def test_a_removed_event_is_missed(files):
    told = found(forged(events_edited(files, lambda rows: rows.pop(4))))
    second = batch_ids(files)[1]
    assert told.count(("batch", f"{second} (device edge-1, sequence 4 to 5)")) == 2, "a count and a chain"
    assert ("line", "2") in told


def test_a_removed_event_that_nobody_signed_is_missed_too(files):
    told = found(forged(events_edited(files, lambda rows: rows.pop())))
    assert told[0] == ("batch", str(batch_ids(files)[-1]))


def test_a_removed_batch_is_missed(files):
    third = batch_ids(files)[2]
    without = events_edited(files, lambda rows: rows.__setitem__(slice(None), [r for r in rows if r["batch"] != third]))
    told = found(forged(batches_edited(without, lambda rows: rows.pop(2))))
    assert told == [("line", "2"), ("invoice", "subtotal"), ("invoice", "total")]


def test_an_added_event_is_found(files):
    def add(rows):
        rows.insert(3, rows[2] | {"id": "extra", "place": 3})

    first = batch_ids(files)[0]
    told = found(forged(events_edited(files, add)))
    assert ("batch", f"{first} (device edge-1, sequence 1 to 3)") in told
    assert ("line", "2") in told


def test_an_added_event_is_found_though_the_batch_says_there_were_more(files):
    def add(rows):
        rows.insert(3, rows[2] | {"id": "extra", "place": 3})

    more = batches_edited(events_edited(files, add), lambda rows: rows[0].__setitem__("event_count", 4))
    assert ("event", "extra of urn:agentmeter:device:edge-1") in [
        (kind, where.partition(" (")[0]) for kind, where in found(forged(more))
    ]


@pytest.mark.parametrize("where", [layout.TERMS, layout.PLANS])
def test_a_changed_price_is_named(files, where):
    def cheat(document):
        if where == layout.TERMS:
            price = document["parts"][0]["agreed"][1]["document"]["price"]
        else:
            price = document["basic/1"]["rate_cards"][1]["prices"]["EUR"]
        price["tiers"][1]["unit"] = "0.60"

    assert ("price", "turns") in found(forged(edited(files, where, cheat)))


def test_a_price_that_was_changed_everywhere_is_not_that_of_the_invoice(files):
    def cheat_plan(document):
        document["basic/1"]["rate_cards"][1]["prices"]["EUR"]["tiers"][1]["unit"] = "0.60"

    def cheat_terms(document):
        document["parts"][0]["agreed"][1]["document"]["price"]["tiers"][1]["unit"] = "0.60"

    cheated = edited(edited(files, layout.PLANS, cheat_plan), layout.TERMS, cheat_terms)
    told = found(forged(cheated))
    assert ("price", "turns") in told, "the invoice has the digest of the terms"
    assert ("line", "2") in told


def test_events_in_another_order_are_not_what_the_device_signed(files):
    def swap(rows):
        rows[0], rows[1] = rows[1] | {"place": 0}, rows[0] | {"place": 1}

    first = batch_ids(files)[0]
    assert found(forged(events_edited(files, swap))) == [("batch", f"{first} (device edge-1, sequence 1 to 3)")]


def test_batches_in_another_order_are_found(files):
    def swap(rows):
        rows[0], rows[1] = rows[1], rows[0]

    assert ("batch", f"{batch_ids(files)[0]} (device edge-1, sequence 1 to 3)") in found(
        forged(batches_edited(files, swap))
    )


def test_batches_that_changed_places_do_not_go_on_from_each_other(files):
    def swap(rows):
        rows[0]["signed"], rows[1]["signed"] = rows[1]["signed"], rows[0]["signed"]

    kinds = {kind for kind, _ in found(forged(batches_edited(files, swap)))}
    assert "batch" in kinds


@pytest.mark.parametrize("name", ["signature", "public_key", "header"])
def test_a_changed_signature_is_found(files, name):
    other = SigningDevice().private_key.public_key().public_bytes_raw()

    def cheat(rows):
        signed = rows[1]["signed"]
        if name == "public_key":
            signed[name] = to_base64url(other)
        elif name == "header":
            signed[name] = signed[name].replace('"last":5', '"last":6')
        else:
            signed[name] = ("B" if signed[name][0] == "A" else "A") + signed[name][1:]

    told = proved(forged(batches_edited(files, cheat))).findings
    assert any(one.kind == "batch" and "signature" in one.detail for one in told)


def test_an_amount_changed_on_the_invoice_is_found(files):
    changed = edited(files, layout.INVOICE, lambda invoice: invoice["lines"][0].__setitem__("amount", "48"))
    told = proved(forged(changed)).findings
    assert [(one.kind, one.where) for one in told] == [("line", "1")]
    assert told[0].detail == "Base: amount is '48', and '49' was worked out"


def test_facts_of_the_invoice_that_no_event_decides_are_bound_by_its_digest(files, invoice):
    changed = edited(files, layout.INVOICE, lambda document: document.__setitem__("buyer", "Somebody else"))
    assert ("invoice", invoice.number) in found(packed(changed))
    assert proved(forged(changed)).facts["digest"] != invoice.digest


def test_an_event_taken_back_does_not_count(acme, device, send, tmp_path):
    subscription = agreement.start(acme, agreement.plan(agreement.metered("1")))
    deliver(acme, device, MAY + DAY, "a", "b", "c")
    source = "urn:agentmeter:device:edge-1"
    corrections.void(customer_id=acme.pk, source=source, event_id="b", actor="user:ada", reason="test", now=JUNE)
    (invoice,) = agreement.close(subscription, JUNE)
    files = opened(pack(invoice, tmp_path))
    assert proved(forged(files)).findings == []
    assert invoice.total == 2
    kept = events_edited(files, lambda rows: rows[1].__setitem__("voided", None))
    assert ("line", "1") in found(forged(kept))


def test_an_event_that_the_server_placed_in_time_is_still_what_was_signed(acme, device, tmp_path):
    subscription = agreement.start(acme, agreement.plan(agreement.metered("1")))
    event = device.event("a", time="1970-01-01T00:00:07.000000Z")
    body, headers = device.batch(event)
    intake.receive(
        caller=Caller(1, acme.pk, "production", frozenset()),
        body=body,
        content_type="application/cloudevents-batch+json",
        signature=Signature(headers["Agentmeter-Batch"], headers["Agentmeter-Signature"]),
        received_at=MAY + DAY,
    )
    (invoice,) = agreement.close(subscription, JUNE)
    report = proved(pack(invoice, tmp_path))
    assert report.findings == []
    assert "1 events were placed in time by the service's clock, not the device's" in report.remarks


def test_a_signed_batch_without_a_seal_is_told_not_hidden(acme, device, tmp_path):
    subscription = agreement.start(acme, agreement.plan(agreement.metered("1")))
    deliver(acme, device, MAY + DAY, "a")
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE metering_seal DISABLE TRIGGER USER")
    Seal.objects.all().delete()
    (invoice,) = agreement.close(subscription, JUNE)
    report = proved(pack(invoice, tmp_path))
    assert report.findings == []
    assert report.remarks == ["1 signed batches are without a seal: their chain cannot be checked"]


def test_an_archived_month_is_in_the_bundle(invoice, files, tmp_path):
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    for month in partitions.months():
        if month.starts_at <= MAY:
            archive.archive(month=month, folder=tmp_path, now=JUNE + 40 * DAY)
    assert Month.of(MAY) not in partitions.months()
    assert opened(pack(invoice, tmp_path)) == files


def test_a_change_an_override_and_a_phase_are_derived_from_the_plan(acme, send, tmp_path):
    phases = [{"name": "first", "days": 5, "cards": {"turns": {"price": {"kind": "unit", "amount": "0.05"}}}}]
    plan = agreement.plan(agreement.fee("31", billed="advance"), agreement.metered("0.10"), phases=phases)
    subscription = agreement.start(acme, plan)
    changes.override(
        subscription=subscription,
        card="turns",
        fields={"price": {"kind": "unit", "amount": "0.01"}},
        starts_at=MAY + 10 * DAY,
        ends_at=None,
        act=agreement.ANNA,
    )
    other = agreement.plan(agreement.fee("62", billed="advance"), agreement.metered("1"), name="big")
    changes.change_plan(subscription=subscription, version=other, at=MAY + 20 * DAY, act=agreement.ANNA)
    for day in (1, 7, 12, 25):
        send.turns(acme, MAY + day * DAY, 3)
    packs = [opened(pack(invoice, tmp_path)) for invoice in agreement.close(subscription, JUNE)]
    assert [proved(forged(files)).findings for files in packs] == [[]] * len(packs)
    files = packs[-1]
    origins = [one["origin"] for one in json.loads(files[layout.TERMS])["parts"][0]["agreed"]]
    assert [(one["version"], one["phase"], bool(one["override"])) for one in origins if one["card"] == "turns"] == [
        ("basic/1", 0, False),
        ("basic/1", None, False),
        ("big/1", None, True),
    ]
    told = edited(
        files,
        layout.TERMS,
        lambda terms: terms["parts"][0]["agreed"][-1]["origin"].__setitem__("override", None),
    )
    assert any(kind == "price" for kind, _ in found(forged(told)))


def flipped(files, name, place, bit):
    content = bytearray(files[name])
    content[place % len(content)] ^= 1 << bit
    return files | {name: bytes(content)}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from([*layout.FILES, layout.MANIFEST]),
    place=st.integers(0, 2**20),
    bit=st.integers(0, 7),
)
def test_any_one_bit_flipped_in_any_file_is_detected(files, name, place, bit):
    assert not proved(packed(flipped(files, name, place, bit))).is_proved


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 2**20), bit=st.integers(0, 7))
def test_any_one_bit_flipped_in_a_signed_event_is_found_whatever_digests_say(files, place, bit):
    signed = b"".join(files[layout.EVENTS].splitlines(keepends=True)[:7])
    changed = flipped(files, layout.EVENTS, place % len(signed), bit)
    try:
        bundle = forged(changed)
    except (BundleError, ValueError, KeyError, TypeError, CanonicalError):
        bundle = packed(changed)  # no event any more: not even a forger can make a digest of it
    if opened(bundle)[layout.EVENTS] == files[layout.EVENTS]:
        return  # the flip was in a digest, which was made anew
    assert not proved(bundle).is_proved


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 2**20), bit=st.integers(0, 7))
def test_one_bit_flipped_in_the_zip_itself_is_detected_or_changes_no_file(invoice, tmp_path, place, bit):
    bundle = bytearray(pack(invoice, tmp_path))
    whole = opened(bytes(bundle))
    bundle[place % len(bundle)] ^= 1 << bit
    assert not proved(bytes(bundle)).is_proved or opened(bytes(bundle)) == whole


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04" + b"\0" * 40])
def test_what_is_no_bundle_is_not_proved(content):
    report = proved(content)
    assert not report.is_proved
    assert report.findings[0].kind == "bundle"


def test_a_file_too_many_or_too_few_is_told(files):
    assert ("bundle", "files") in found(packed(files | {"extra.txt": b"x"}))
    assert ("bundle", "files") in found(packed({name: one for name, one in files.items() if name != layout.PLANS}))


def test_only_batches_with_usage_of_the_invoice_are_in_a_bundle(invoice, acme, send, tmp_path):
    send.turns(acme, MAY + 4 * DAY)  # late
    send.turns(acme, JUNE + DAY)
    send.compute(acme, MAY + DAY, 5)
    send.fold(JUNE + 2 * DAY)
    assert (Batch.objects.count(), len(batch_ids(opened(pack(invoice, tmp_path))))) == (7, 4)
