"""Explaining: a line of an issued invoice, down to tiers, windows, events, batches and signatures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from billing import sources
from billing.dues import Due
from billing.errors import InvoiceStateError
from billing.models import Invoice, InvoiceLine
from billing.models.invoices import InvoiceStatus
from billing.rating.shares import dimensions
from billing.sources import Part
from metering import evidence, usage
from metering.errors import ArchivedUsageError
from metering.evidence import Place, ProvenBatch, ProvenEvent, Wanted
from metering.usage import Usage
from runtime.wire import BatchHeader, WireError, to_base64url, verify


@dataclass(frozen=True, slots=True)
class Measured:
    """What a line asked a meter: of a half-open period, under filters, split by dimensions, as of a fold.

    With `since` only what was counted after that fold is of the line: usage that came late.
    """

    customer_id: int
    meter: str
    starts_at: datetime
    ends_at: datetime
    group_by: tuple[str, ...]
    filters: Mapping[str, Sequence[str]]
    as_of: int
    since: int = 0


@dataclass(frozen=True, slots=True)
class Explained:
    """A line; `measured` is null where no meter is behind it. The tiers are its `detail`: the rows of its formula."""

    line: InvoiceLine
    measured: Measured | None


@dataclass(frozen=True, slots=True)
class Signed:
    """What a device signed: its place in the chain. `holds` is null where the key of that time was not kept."""

    device: str
    epoch: int
    sequence: int
    signature: str
    public_key: str
    holds: bool | None


@dataclass(frozen=True, slots=True)
class Sourced:
    """An event of a line, the request that brought it, and what was signed for it, if anything."""

    event: ProvenEvent
    batch: ProvenBatch
    signed: Signed | None


@dataclass(frozen=True, slots=True)
class Page:
    """Events in order of time; `following` is where the next page begins after, null at the end."""

    events: tuple[Sourced, ...]
    following: Place | None


def lines(*, invoice: Invoice) -> tuple[Explained, ...]:
    """Return the lines of an issued invoice, each with what it measured. Raises InvoiceStateError for a draft."""
    if invoice.status == InvoiceStatus.DRAFT:
        raise InvoiceStateError(f"{invoice} is a draft: it may still change.")
    parts = sources.of(invoice=invoice)
    rows = invoice.lines.select_related("rate_card", "adjusts__invoice").order_by("position")
    return tuple(Explained(line, _measured(line, parts)) for line in rows)


def line(*, invoice: Invoice, position: int) -> Explained:
    """Return one of them. Raises InvoiceStateError where there is none at the position."""
    for one in lines(invoice=invoice):
        if one.line.position == position:
            return one
    raise InvoiceStateError(f"{invoice} has no line {position}.")


def windows(*, measured: Measured, zone: str, archives: Path) -> Usage:
    """Return what was measured, day by day in a zone, by the dimensions that the price looks at."""
    question: dict[str, Any] = {
        "customer_id": measured.customer_id,
        "meter": measured.meter,
        "starts_at": measured.starts_at,
        "ends_at": measured.ends_at,
        "group_by": measured.group_by,
        "filters": measured.filters,
        "as_of": measured.as_of,
        "window": usage.Span.DAY,
        "zone": zone,
    }
    try:
        return usage.read(**question)
    except ArchivedUsageError:
        customer_id, as_of = measured.customer_id, measured.as_of
        with evidence.reading(customer_id=customer_id, as_of=as_of, folder=archives) as reading:
            return reading.read(**question)


def events(*, measured: Measured, archives: Path, after: Place | None = None, limit: int = 50) -> Page:
    """Return a page of the events that were counted, each with its batch and signature, in order of time."""
    wanted = Wanted(measured.meter, measured.starts_at, measured.ends_at)
    customer_id, as_of = measured.customer_id, measured.as_of
    with evidence.reading(customer_id=customer_id, as_of=as_of, folder=archives) as reading:
        found = reading.page(wanted, filters=measured.filters, since=measured.since, after=after, limit=limit + 1)
    page, more = found[:limit], len(found) > limit
    batches = evidence.batches(batch_ids=sorted({one.batch_id for one in page}))
    signed = {key: _signed(one) for key, one in batches.items()}
    last = page[-1] if more else None
    return Page(
        events=tuple(Sourced(one, batches[one.batch_id], _at(signed[one.batch_id], one)) for one in page),
        following=None if last is None else Place(last.time, last.batch_id, last.place),
    )


def _measured(line: InvoiceLine, parts: Sequence[Part]) -> Measured | None:
    """Return what a line measured; of late usage, what its first line did, as of now."""
    if not line.meter:
        return None
    if line.kind == "late":
        return None if line.adjusts is None else _late(line.adjusts, parts)
    for part in parts:
        for _, due in part.dues:
            if line.part_id in {None, part.invoice.pk} and _is_of(line, due):
                return _asked(part, due, part.question.as_of, source=line.source)
    return None


def _late(first: InvoiceLine, parts: Sequence[Part]) -> Measured | None:
    as_of = max(part.question.as_of for part in parts)
    for part in sources.of(invoice=first.invoice):
        for _, due in part.dues:
            if first.part_id in {None, part.invoice.pk} and _is_of(first, due):
                return _asked(part, due, as_of, since=part.question.as_of)
    return None


def _is_of(line: InvoiceLine, due: Due) -> bool:
    """Whether a rate card made a line: the same card and terms for the same time; a free one keeps no terms."""
    card, period = due.run.planned.card, due.service.period
    key = line.rate_card.key if line.rate_card else card.key
    same_time = (line.starts_at, line.ends_at) == (period.starts_at, period.ends_at)
    return same_time and (card.meter, card.key) == (line.meter, key) and line.terms in {"", due.run.terms}


def _asked(part: Part, due: Due, as_of: int, *, since: int = 0, source: str = "") -> Measured:
    """Return what a card asked; with the key of a rule that made usage free as `source`, what that rule met."""
    card, period = due.run.planned.card, due.service.period
    free = next((rule.filters for rule in card.zero_rates if rule.key == source), {})
    return Measured(
        customer_id=part.invoice.customer_id,
        meter=card.meter,
        starts_at=period.starts_at,
        ends_at=period.ends_at,
        group_by=dimensions(card),
        filters={**card.filters, **free},
        as_of=as_of,
        since=since,
    )


def _signed(batch: ProvenBatch) -> Signed | None:
    """Return what a device signed for a batch, the sequence being that of its first event."""
    if batch.header is None:
        return None
    header = BatchHeader.from_bytes(batch.header)
    key = "" if batch.public_key is None else to_base64url(batch.public_key)
    return Signed(header.device, header.epoch, header.first, batch.signature, key, _holds(batch, batch.header))


def _holds(batch: ProvenBatch, header: bytes) -> bool | None:
    if batch.public_key is None:
        return None
    try:
        verify(batch.public_key, header, batch.signature)
    except WireError:
        return False
    return True


def _at(signed: Signed | None, event: ProvenEvent) -> Signed | None:
    if signed is None:
        return None
    sequence = signed.sequence + event.place
    return Signed(signed.device, signed.epoch, sequence, signed.signature, signed.public_key, signed.holds)
