"""Bundles: all that it takes to prove an invoice, in one zip that `python -m billing.proof` checks by itself."""

import hashlib
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, Final

from billing import catalog, contracts, invoicing, naming, planned, sources
from billing.dues import Due
from billing.errors import InvoiceStateError
from billing.models import Invoice
from billing.models.invoices import InvoiceStatus
from billing.proof import layout, terms, values
from billing.proof.terms import Agreed, Basis, Free, Origin
from billing.rating.adjustments import FreeOfCharge, GivenBack, Late
from billing.sources import Part
from billing.timeline import stretch_at
from metering import evidence
from metering.evidence import ProvenBatch, ProvenEvent, Reading, Wanted
from runtime.wire import canonical, format_time, to_base64url

MEDIA_TYPE: Final = "application/zip"
_CHUNK: Final = 1 << 20
_INSTANT: Final = timedelta(microseconds=1)
_FOREVER: Final = datetime.max.replace(tzinfo=UTC)


def write(*, invoice: Invoice, out: IO[bytes], archives: Path) -> None:
    """Write the bundle of an issued invoice to a file that is open; the same invoice gives the same bytes.

    `archives` is where archived months are. Raises InvoiceStateError for a draft, and MissingArchiveError.
    """
    if invoice.status == InvoiceStatus.DRAFT:
        raise InvoiceStateError(f"{invoice} is a draft: there is nothing to prove yet.")
    parts = sources.of(invoice=invoice)
    fold = max(one.question.as_of for one in parts)
    text = invoicing.canonical(invoice)
    with (
        evidence.reading(customer_id=invoice.customer_id, as_of=fold, folder=archives) as reading,
        tempfile.TemporaryFile() as events,
        layout.packing(out) as pack,
    ):
        reading.select(list(_wanted(parts)))
        digests = _spool(reading.events(), events)
        pack.add(layout.BATCHES, _batch_lines(reading, digests))
        pack.add(layout.EVENTS, _chunks(events))
        pack.add(layout.INVOICE, [text])
        plans = _plans(parts)
        pack.add(layout.METERS, [layout.text_of(_meters(parts, plans))])
        pack.add(layout.PLANS, [layout.text_of(plans)])
        pack.add(layout.TERMS, [layout.text_of({"parts": [terms.write(_basis(one)) for one in parts]})])
        pack.seal(invoice=invoice.number or "", digest=hashlib.sha256(text).hexdigest())


def _wanted(parts: Iterable[Part]) -> Iterator[Wanted]:
    """Yield what was measured for the parts' rate cards."""
    for part in parts:
        for _, due in part.dues:
            if due.run.planned.card.meter:
                period = due.service.period
                yield Wanted(due.run.planned.card.meter, period.starts_at, period.ends_at)


def _spool(events: Iterable[ProvenEvent], out: IO[bytes]) -> Mapping[int, str]:
    """Write the lines of events to a file, and return a digest over the events of each batch."""
    found: dict[int, hashlib._Hash] = {}
    for event in events:
        line = layout.event_line(_event_text(event))
        digest = found.setdefault(event.batch_id, hashlib.sha256())
        digest.update(layout.event_of(line)[1].encode())
        out.write(line)
    return {batch: digest.hexdigest() for batch, digest in found.items()}


def _event_text(event: ProvenEvent) -> bytes:
    """Return an event as JSON in one line: its data stays the text that is stored, digit for digit."""
    facts = {
        "batch": event.batch_id,
        "environment": event.environment,
        "id": event.id,
        "place": event.place,
        "source": event.source,
        "subject": event.subject,
        "time": format_time(event.time),
        "type": event.type,
        "voided": event.voided,
    }
    text = json.dumps(facts, separators=(",", ":"), ensure_ascii=False)
    data = event.data.replace("\n", " ").replace("\r", " ")  # within JSON's texts there is none
    return f'{text[:-1]},"data":{data}}}'.encode()


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    while chunk := file.read(_CHUNK):
        yield chunk


def _batch_lines(reading: Reading, digests: Mapping[int, str]) -> Iterator[bytes]:
    for batch in reading.batches():
        yield canonical(_batch_document(batch, digests[batch.id])) + b"\n"


def _batch_document(batch: ProvenBatch, events: str) -> dict[str, Any]:
    return {
        "id": batch.id,
        "received_at": format_time(batch.received_at),
        "digest": batch.digest.hex(),
        "fold": batch.fold,
        "event_count": batch.event_count,
        "events": events,
        "signed": None if batch.header is None else _signed_document(batch, batch.header),
    }


def _signed_document(batch: ProvenBatch, header: bytes) -> dict[str, Any]:
    return {
        "header": header.decode(),
        "signature": batch.signature,
        "public_key": None if batch.public_key is None else to_base64url(batch.public_key),
        "rest": None if batch.rest is None else list(batch.rest),
    }


def _plans(parts: Iterable[Part]) -> dict[str, Any]:
    """Return the documents of the plan versions that the rate cards are of."""
    versions = {due.run.version_id for part in parts for _, due in part.dues}
    shelves = [contracts.shelf(version_id) for version_id in versions]
    documents = {_name_of(one): values.write(catalog.document_of(one.version)) for one in shelves}
    return dict(sorted(documents.items()))


def _meters(parts: Iterable[Part], plans: Mapping[str, Any]) -> dict[str, Any]:
    """Return the definitions of the meters that the plans name, and of those that were read."""
    named = {card["meter"] for document in plans.values() for card in document["rate_cards"] if card.get("meter")}
    read = {due.run.planned.card.meter for part in parts for _, due in part.dues if due.run.planned.card.meter}
    return {key: evidence.definition(meter=key) for key in sorted(named | read)}


def _basis(part: Part) -> Basis:
    inputs, rated = part.inputs, part.inputs.terms
    beside = inputs.adjustments
    free = zip((one for one in beside if isinstance(one, FreeOfCharge)), inputs.free, strict=True)
    return Basis(
        currency=rated.currency,
        period=rated.period,
        full=rated.full,
        fold=rated.fold,
        agreed=tuple(_agreed(part, name, due) for name, due in inputs.charged.items()),
        free=tuple(Free(_agreed(part, one.card.key, due), one.source, one.reason) for one, due in free),
        given_back=tuple(one for one in beside if isinstance(one, GivenBack)),
        late=tuple(one for one in beside if isinstance(one, Late)),
        given=tuple(invoicing.line_content(one) for one in sources.given(part=part.invoice)),
        references=_references(part),
        discounts=rated.discounts,
        minimum=rated.minimum,
        maximum=rated.maximum,
        pools=rated.pools,
        rollover=rated.rollover,
        promotions=rated.promotions,
        tax=rated.tax,
    )


def _agreed(part: Part, name: str, due: Due) -> Agreed:
    contract, run, key = part.question.contract, due.run, due.run.planned.card.key
    # A run on the same terms may cross versions; it is known by the one that holds when it ends.
    last = _FOREVER if run.ends_at is None else run.ends_at - _INSTANT
    own = {one.card: one.fields for one in contract.overrides if one.holds(last)}
    origin = Origin(
        version=_name_of(contracts.shelf(run.version_id)),
        card=key,
        phase=stretch_at(contract.timeline, at=last).phase,
        override=own.get(key) or None,
    )
    document = planned.document_of(run.planned)
    return Agreed(name=name, document=document, terms=run.terms, origin=origin, service=due.service)


def _references(part: Part) -> dict[str, tuple[str, str]]:
    """Return the rate card and the terms of the lines that give back, or come late, by their sources."""
    back = {source: (one.prepaid.card, one.prepaid.terms) for source, one in part.inputs.back.items()}
    late = {
        one.adjustment.source: (
            naming.plain_key(name=one.adjustment.card) if one.reference.rate_card_id else "",
            one.reference.terms,
        )
        for one in part.question.late
    }
    return back | late


def _name_of(shelf: contracts.Shelf) -> str:
    return f"{shelf.version.plan.key}/{shelf.version.number}"
