"""Issuing: an assessed cycle becomes a draft, and the draft an invoice: at once, or after the customer's review."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import structlog
from django.db import transaction

from billing import (
    assessment,
    contracts,
    coupons,
    credits,
    invoicing,
    late_usage,
    merging,
    profiles,
    sanity,
    subscriptions,
    surroundings,
)
from billing.assessment import Assessment, Question
from billing.credit_notes import limit_of
from billing.errors import DraftChangedError, OutOfBoundsError
from billing.late_usage import Difference
from billing.models import BillingPeriod, Invoice, InvoiceLine
from billing.models.invoices import InvoiceStatus, Moment
from billing.rating.lines import LineKind
from billing.stripe import taxes as stripe_taxes

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Bill:
    """A cycle with what it comes to: `billed` late differences are lines of it, `noted` ones go on credit notes."""

    question: Question
    assessed: Assessment
    billed: tuple[Difference, ...] = ()
    noted: tuple[Difference, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing falls due."""
        return all(line.kind == LineKind.TAX for line in self.assessed.rated.lines)


def bill(*, question: Question) -> Bill:
    """Return what a cycle comes to, late usage of the periods before it included; writes nothing.

    Where its invoice is issued, it is what that was made of. Raises what `assessment.assess` does.
    """
    found = late_usage.differences(question=question)
    if not found:
        return Bill(question, assessment.assess(question))
    known = late_usage.recorded(question=question)
    notes = _over_limit(found) if known is None else known
    noted = tuple(one for one in found if (one.period.pk, one.key) in notes)
    billed = tuple(one for one in found if (one.period.pk, one.key) not in notes)
    asked = replace(question, late=tuple(one.belated for one in billed))
    return Bill(asked, assessment.assess(asked), billed, noted)


def draft_or_issue(*, question: Question, now: datetime, incomplete: str = "") -> Invoice | None:
    """Write the draft of a cycle and issue it, unless it has to wait for a review; None where nothing falls due.

    Runs in the caller's transaction, who holds the subscription, the customer's credit and coupons. Raises
    OutOfBoundsError, and what `bill` and `invoicing.finalize` do.
    """
    made = bill(question=question)
    if not question.period.is_released and question.moment != Moment.LATE:
        sanity.require_usual(period=question.period, assessed=made.assessed, now=now)
    if made.is_empty:
        log.info("nothing_due", period_id=question.period.pk, moment=question.moment)
        _settle(made, None, now)
        return None
    invoice = invoicing.draft(question=made.question, assessed=made.assessed, now=now)
    invoice.incomplete = incomplete
    profile = profiles.of(customer=invoice.customer)
    is_odd = _needs_a_person(made, now)
    if profile.review_window or profile.merges or is_odd or stripe_taxes.is_missing(invoice=invoice):
        invoice.review_until = None if is_odd else now + profile.review_window
        invoice.save(update_fields=["incomplete", "review_until"])
        return invoice
    if incomplete:
        invoice.save(update_fields=["incomplete"])
    _settle(made, invoice, now)
    return invoicing.finalize(invoice=invoice, now=now)


@transaction.atomic
def issue(*, drafts: Collection[int], now: datetime) -> list[Invoice]:
    """Issue drafts of one customer that waited for their review, merged where the customer wants that; those left.

    Each is rated again as of its fold. Raises DraftChangedError where that is not what was drafted, because credit,
    coupons or taxes changed meanwhile.
    """
    waiting = Invoice.objects.filter(pk__in=drafts, status=InvoiceStatus.DRAFT, merged_into__isnull=True)
    for owner in sorted(set(waiting.values_list("period__subscription_id", flat=True))):
        subscriptions.hold(subscription_id=owner)
    rows = waiting.select_related("customer", "period__subscription__customer", "version__plan")
    found = list(rows.order_by("created_at", "pk"))
    for draft in found:
        _use_up(draft, now)
    return [invoicing.finalize(invoice=one, now=now) for one in merging.merge(drafts=found, now=now)]


def _use_up(draft: Invoice, now: datetime) -> None:
    """Take what a draft needs from coupons and credit, now that it is to be issued."""
    credits.hold(customer=draft.customer)
    coupons.hold(customer=draft.customer)
    contract = contracts.load(subscription=draft.period.subscription, change_id=draft.change_id)
    made = bill(question=Question(draft.period, contract, as_of=draft.fold, moment=Moment(draft.moment)))
    _require_unchanged(draft, made)
    _settle(made, draft, now)


def _over_limit(found: Sequence[Difference]) -> set[tuple[int, str]]:
    """Return what goes on credit notes: all of a period of which more is to be given back than the operator's limit.

    Where the period's invoice has no lines to be lowered it stays a line, which is beyond the bounds.
    """
    over: set[tuple[int, str]] = set()
    for group in late_usage.by_period(found):
        back = -sum(one.amount for one in group)
        limit = limit_of(currency=group[0].period.subscription.currency)
        if back > limit.amount and all(_is_mirrored(one) for one in group if one.amount):
            over |= {(one.period.pk, one.key) for one in group}
    return over


def _is_mirrored(one: Difference) -> bool:
    """Whether a credit note can lower the line: it is on an issued invoice, and loses, which is what its sign says."""
    billed, invoice = one.belated.adjustment.billed[1].amount, one.billed_on
    return invoice is not None and invoice.number is not None and one.line_id is not None and one.amount * billed < 0


def _needs_a_person(made: Bill, now: datetime) -> bool:
    """Whether a late invoice is too odd to be issued; its period is closed and cannot be parked."""
    period = made.question.period
    if made.question.moment != Moment.LATE or period.is_released:
        return False
    try:
        sanity.require_usual(period=period, assessed=made.assessed, now=now)
    except OutOfBoundsError as error:
        log.warning("late_invoice_out_of_bounds", period_id=period.pk, reason=str(error))
        return True
    return False


def _settle(made: Bill, invoice: Invoice | None, now: datetime) -> None:
    """Use up coupons and credit, carry over what is left, and keep which late usage was settled by this."""
    question, rated = made.question, made.assessed.rated
    if question.moment != Moment.LATE:
        coupons.consume(period=question.period, lines=rated.lines, now=now)
    if question.moment == Moment.CLOSING:
        carried = surroundings.carry(period=question.period, rated=rated)
        if carried or question.period.carried:
            BillingPeriod.objects.filter(pk=question.period.pk).update(carried=carried)
    if invoice is not None:
        credits.draw(invoice=invoice, draws=rated.draws, now=now)
    late_usage.settle(billed=made.billed, noted=made.noted, question=question, invoice=invoice, now=now)


def _require_unchanged(invoice: Invoice, made: Bill) -> None:
    ours = InvoiceLine.objects.filter(invoice=invoice).exclude(source__startswith=stripe_taxes.SOURCE)
    stored = ours.select_related("rate_card").order_by("position")
    fresh = invoicing.lines_of(invoice=invoice, assessed=made.assessed)
    if [invoicing.line_content(line) for line in stored] != [invoicing.line_content(line) for line in fresh]:
        raise DraftChangedError(f"{invoice.period} is not what was drafted any more.", invoice_id=invoice.pk)
