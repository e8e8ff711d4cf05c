"""Merging: several drafts of one customer that fall on one day become one invoice, with a section for each.

The drafts stay, frozen, as what each period came to under its own version, change and fold: whoever proves an invoice
proves its parts. The merged invoice has copies of their lines, and is numbered, booked and collected like any other.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Q

from billing import profiles
from billing.errors import InvoiceStateError
from billing.models import Invoice, InvoiceLine, LineShare
from billing.models.invoices import InvoiceStatus, Moment

# What the merged lines take from those of the parts.
_COPIED: Final = (
    *("kind", "rate_card_id", "source", "terms", "adjusts_id", "description", "meter", "quantity", "unit", "amount"),
    *("starts_at", "ends_at", "detail"),
)


def merge(*, drafts: Sequence[Invoice], now: datetime) -> list[Invoice]:
    """Return what is to be issued for these drafts: each as it is, or merged ones where their customer wants that.

    Called before issuing, in the same transaction, with drafts whose review is over. Raises InvoiceStateError for what
    is no draft, or was merged before.
    """
    groups: dict[tuple[int, str, date], list[Invoice]] = defaultdict(list)
    result: list[Invoice] = []
    for draft in sorted(drafts, key=lambda one: (one.created_at, one.pk)):
        if profiles.of(customer=draft.customer).merges:
            groups[draft.customer_id, draft.currency, _day(draft)].append(draft)
        else:
            result.append(draft)
    return result + [_merged(group, now) for group in groups.values()]


def parts_of(*, invoice: Invoice) -> list[Invoice]:
    """Return what an invoice was rated as: itself, or the drafts that it was merged from, in the order of its lines."""
    parts = invoice.parts.select_related("period__subscription", "version__plan", "customer").order_by("pk")
    return list(parts) or [invoice]


def is_issued() -> Q:
    """Select invoices that were issued, by themselves or as a part of another."""
    return Q(number__isnull=False) | Q(merged_into__isnull=False)


def rated_as(**facts: Any) -> Q:  # noqa: ANN401 - values of the invoice's columns, as a filter takes them
    """Select the issued lines that were rated as a draft of which `facts` hold, wherever they are printed."""
    printed = Q(part__isnull=True, **{f"invoice__{name}": value for name, value in facts.items()})
    return printed | Q(part__isnull=False, **{f"part__{name}": value for name, value in facts.items()})


def _merged(group: list[Invoice], now: datetime) -> Invoice:
    return group[0] if len(group) == 1 else _merge(group, now)


@transaction.atomic
def _merge(group: list[Invoice], now: datetime) -> Invoice:
    """Make one draft of several; its period, version, change and fold are those of the last, its moment says merged."""
    last = max(group, key=lambda one: (one.period.ends_at, one.pk))
    sums = {name: sum((getattr(one, name) for one in group), Decimal(0)) for name in ("subtotal", "tax")}
    left_over = sums["subtotal"] + sums["tax"]
    carried = max(-left_over, Decimal(0))
    merged = Invoice.objects.create(
        customer=last.customer,
        period=last.period,
        moment=Moment.MERGED,
        version=last.version,
        change=last.change,
        currency=last.currency,
        fold=last.fold,
        carried=carried,
        total=left_over + carried,
        created_at=now,
        **sums,
    )
    _copy_lines(merged, group)
    free = Invoice.objects.filter(pk__in=[one.pk for one in group], status=InvoiceStatus.DRAFT, merged_into=None)
    if free.update(merged_into=merged) != len(group):
        raise InvoiceStateError(f"Of the drafts {[one.pk for one in group]} some are no drafts any more.")
    return merged


def _copy_lines(merged: Invoice, group: Iterable[Invoice]) -> None:
    """Copy the parts' lines, numbered through, and their shares."""
    lines = InvoiceLine.objects.filter(invoice__in=[one.pk for one in group]).order_by("invoice_id", "position")
    originals = list(lines)
    copies = InvoiceLine.objects.bulk_create(
        InvoiceLine(invoice=merged, part_id=line.invoice_id, position=position, **_copied(line))
        for position, line in enumerate(originals, start=1)
    )
    copy_of = {line.pk: copy for line, copy in zip(originals, copies, strict=True)}
    LineShare.objects.bulk_create(
        LineShare(
            line=copy_of[share.line_id], key=share.key, label=share.label, quantity=share.quantity, amount=share.amount
        )
        for share in LineShare.objects.filter(line__in=originals).order_by("pk")
    )


def _copied(line: InvoiceLine) -> dict[str, Any]:
    return {name: getattr(line, name) for name in _COPIED}


def _day(draft: Invoice) -> date:
    """The day on which a period was closed, where its subscription is."""
    return draft.created_at.astimezone(ZoneInfo(draft.period.subscription.time_zone)).date()
