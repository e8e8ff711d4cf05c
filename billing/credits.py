"""Credit of customers: granted, drawn by invoices in a fixed order, and booked away when it ends; each once.

What is left of a grant is the sum of its ledger entries. Promotional credit lowers the charges before tax, prepaid
credit pays what is due after tax; both are drawn by priority, then earlier expiry, then earlier grant.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Sum

from agents.models import Customer
from billing import ledger, merging
from billing.errors import (
    CreditConflictError,
    CreditEndedError,
    CurrencyMismatchError,
    InsufficientCreditError,
    InvoiceStateError,
)
from billing.ledger import Entry, Value
from billing.models import BillingPeriod, CreditDrawdown, CreditGrant, Invoice, RecurringGrant
from billing.models.credits import DEFAULT_PRIORITY, Funding, GrantKind
from billing.models.invoices import LIVE, InvoiceStatus, Moment
from billing.models.ledger import Account
from billing.models.subscriptions import PeriodStatus
from billing.money import Money, zero
from billing.rating.statement import Draw, Grant


@dataclass(frozen=True, slots=True)
class Award:
    """What is granted: so much credit of a kind, to be used in `[effective_at, expires_at)`.

    `funding` is the account it is booked from: `issued` where no money stands behind it, as with all promotions.
    `cards` limits promotional credit to rate cards. `source` says why, and who granted it.
    """

    kind: GrantKind
    name: str
    amount: Value
    effective_at: datetime
    expires_at: datetime | None = None
    priority: int = DEFAULT_PRIORITY
    cards: Sequence[str] = ()
    funding: Funding = Funding.ISSUED
    source: str = ""


@transaction.atomic
def grant(
    *, customer: Customer, award: Award, key: str, now: datetime, rule: RecurringGrant | None = None
) -> CreditGrant:
    """Give a customer credit, once for each `key`, which names its cause: the same again changes nothing.

    Raises CreditConflictError where the key stands for another grant, CurrencyMismatchError for money of a currency
    that the customer is not invoiced in. The database refuses amounts not above nothing, an expiry before the effect,
    prepaid money from nowhere, and prepaid money limited to rate cards.
    """
    if isinstance(award.amount, Money):
        _require_own(customer, award.amount)
    facts = {"customer": customer, "rule": rule, **_columns_of(award)}
    row, is_new = CreditGrant.objects.get_or_create(key=key, defaults={**facts, "created_at": now})
    if is_new:
        _book(row, f"credit:{row.pk}", f"Credit granted: {row.name}", -award.amount, Account(award.funding), now)
    elif any(getattr(row, name) != value for name, value in facts.items()):
        raise CreditConflictError(f"{key} stands for {row}, not for {award.name}: {award.amount}.")
    return row


@transaction.atomic
def void(*, grant: CreditGrant, reason: str, now: datetime) -> Value:
    """Take back what is left of a grant, once, and return it; nothing where it was voided before.

    It is booked back to where the grant came from. What was drawn stays drawn. Raises CreditEndedError where the grant
    has expired.
    """
    _lock(CreditGrant.objects.filter(pk=grant.pk))
    rest = ledger.remaining(grant=grant)
    if not CreditGrant.objects.filter(_live(), pk=grant.pk).update(voided_at=now):
        grant.refresh_from_db()
        if grant.expired_at is not None:
            raise CreditEndedError(f"{grant} expired at {grant.expired_at.isoformat()}.")
        return rest
    grant.refresh_from_db()
    if rest:
        _book(grant, f"credit:{grant.pk}:void", f"Credit voided: {reason}", rest, Account(grant.funding), now)
    return rest


def expire_due(*, now: datetime) -> list[CreditGrant]:
    """Book away the rest of every grant that has expired, each once and in its own transaction; return them.

    A grant waits while a billing period that it serves is not closed: that period's invoice comes first.
    """
    waiting = BillingPeriod.objects.exclude(status=PeriodStatus.CLOSED).filter(
        subscription__customer=OuterRef("customer"),
        starts_at__lt=OuterRef("expires_at"),
        ends_at__gt=OuterRef("effective_at"),
    )
    due = CreditGrant.objects.filter(_live(), ~Exists(waiting), expires_at__lte=now)
    return [row for row in due.order_by("pk") if _expire(row, now)]


def available(*, customer: Customer, currency: str, at: datetime, kind: GrantKind = GrantKind.PREPAID) -> Value:
    """Return what is left, in a currency, of the grants of a kind that are in force at an instant."""
    in_force = Q(effective_at__lte=at) & (Q(expires_at=None) | Q(expires_at__gt=at))
    rows = CreditGrant.objects.filter(_live(), in_force, customer=customer, currency=currency, kind=kind)
    left = ledger.remaining_of(grants=rows)
    return ledger.value_of(sum(left.values(), Decimal(0)), currency)


def hold(*, customer: Customer) -> None:
    """Keep others from drawing on a customer's grants until the transaction ends: call it before `for_period`."""
    _lock(CreditGrant.objects.filter(_live(), customer=customer))


def for_period(*, period: BillingPeriod, currency: str, moment: Moment = Moment.CLOSING) -> tuple[Grant, ...]:
    """Return what may lower the charges of a period, in the order of use: promotions, and units of any kind.

    Where the invoice of that moment was issued, it is what that invoice drew, so that it can be rated again for ever.
    """
    usable = Q(kind=GrantKind.PROMOTIONAL, currency=currency) | Q(currency__regex="^[a-z]")
    issued = Invoice.objects.filter(LIVE, merging.is_issued(), period=period, moment=moment).first()
    if issued is None:
        customer_id = period.subscription.customer_id
        rows, sum_of = _serving(customer_id, period.starts_at, period.ends_at), -Sum("entries__amount")
    else:
        rows, sum_of = CreditGrant.objects.filter(drawdowns__invoice=issued), Sum("drawdowns__amount") + 0
    ordered = _ordered(rows.filter(usable))
    found = ordered.annotate(left=sum_of).values_list("key", "name", "left", "currency", "cards")
    return tuple(Grant(key, name, left, unit, tuple(cards)) for key, name, left, unit, cards in found if left)


@transaction.atomic
def draw(*, invoice: Invoice, draws: Iterable[Draw], now: datetime) -> None:
    """Book what an invoice's charges took from grants: the draws of its rated period.

    Raises InsufficientCreditError where less is left, CreditEndedError.
    """
    taken: dict[str, Decimal] = defaultdict(Decimal)
    for one in draws:
        taken[one.grant] += one.quantity
    rows = {row.key: row for row in _lock(CreditGrant.objects.filter(key__in=taken, customer=invoice.customer))}
    for key, quantity in taken.items():
        _draw(rows[key], invoice, ledger.value_of(quantity, rows[key].currency), Account.ISSUED, now)


@transaction.atomic
def apply(*, invoice: Invoice, now: datetime) -> Money:
    """Pay a draft from the customer's prepaid credit as far as it goes, and return how much that was.

    It is booked as a payment from the account of credits; the caller keeps the sum as the invoice's `prepaid`.
    Raises InvoiceStateError where it is no draft.
    """
    if invoice.status != InvoiceStatus.DRAFT:
        raise InvoiceStateError(f"{invoice} is {invoice.status}: credit pays at issue only.")
    due = Money(invoice.total, invoice.currency)
    rows = _serving(invoice.customer_id, invoice.period.starts_at, max(now, invoice.period.ends_at))
    rows = rows.filter(kind=GrantKind.PREPAID, currency=invoice.currency)
    if not due or not rows.exists():
        return zero(invoice.currency)
    _lock(rows)
    left = ledger.remaining_of(grants=rows)
    paid = zero(invoice.currency)
    for row in _ordered(rows):
        part = min(Money(left.get(row.pk, Decimal(0)), invoice.currency), due - paid)
        if part:
            _draw(row, invoice, part, Account.RECEIVABLE, now)
            paid += part
    return paid


@transaction.atomic
def give_back(*, invoice: Invoice, now: datetime) -> None:
    """Return to its grants what an invoice drew that is void; once.

    A grant that expired meanwhile is live again for the periods it serves. What a voided grant gets back goes on to
    where the grant came from.
    """
    sums = dict(CreditDrawdown.objects.filter(invoice=invoice).values_list("grant").annotate(sum=Sum("amount")))
    for row in _lock(CreditGrant.objects.filter(pk__in=[grant for grant, drawn in sums.items() if drawn])):
        value = ledger.value_of(sums[row.pk], row.currency)
        pays = row.kind == GrantKind.PREPAID and isinstance(value, Money)
        key, text = f"credit:{row.pk}:invoice:{invoice.pk}:back", f"Credit given back: {row.name}"
        _book(row, key, text, -value, Account.RECEIVABLE if pays else Account.ISSUED, now)
        drawdown = {"invoice": invoice, "grant": row, "booking": key, "drawn_at": now}
        CreditDrawdown.objects.create(amount=-value.amount, **drawdown)
        if row.voided_at is not None:
            _book(row, f"{key}:void", f"Credit voided: {row.name}", value, Account(row.funding), now)
        CreditGrant.objects.filter(pk=row.pk, voided_at=None).exclude(expired_at=None).update(expired_at=None)


def _require_own(customer: Customer, money: Money) -> None:
    """Refuse money of a currency that the customer pays in neither now nor on a subscription that it began before."""
    own = money.currency == customer.currency
    if not own and not customer.subscriptions.filter(currency=money.currency).exists():
        raise CurrencyMismatchError(f"{customer.key} pays in {customer.currency}, the credit is {money}.")


def _draw(row: CreditGrant, invoice: Invoice, value: Value, to: Account, now: datetime) -> None:
    """Book one draw on a locked grant."""
    if row.voided_at is not None or row.expired_at is not None:
        raise CreditEndedError(f"{row} has ended and cannot be drawn.")
    left = ledger.remaining(grant=row)
    if left.amount < value.amount:
        raise InsufficientCreditError(f"{left} is left of {row}; {value} was to be drawn.")
    key = f"credit:{row.pk}:invoice:{invoice.pk}"
    _book(row, key, f"Credit used: {row.name}", value, to, now)
    CreditDrawdown.objects.create(invoice=invoice, grant=row, amount=value.amount, booking=key, drawn_at=now)


@transaction.atomic
def _expire(row: CreditGrant, now: datetime) -> bool:
    _lock(CreditGrant.objects.filter(pk=row.pk))
    rest = ledger.remaining(grant=row)
    if not CreditGrant.objects.filter(_live(), pk=row.pk).update(expired_at=now):
        return False
    if rest:
        to = Account.ISSUED if row.funding == Funding.ISSUED else Account.FORFEITED
        _book(row, f"credit:{row.pk}:expiry", f"Credit expired: {row.name}", rest, to, now)
    row.refresh_from_db()
    return True


def _book(row: CreditGrant, key: str, description: str, value: Value, against: Account, now: datetime) -> None:
    """Book a change of a grant: above zero takes from it, below zero gives to it."""
    entries = [Entry(Account.CREDITS, row.customer, value, row), Entry(against, row.customer, -value)]
    ledger.post(key=key, description=description[:250], entries=entries, booked_at=now)


def _lock(rows: QuerySet[CreditGrant]) -> list[CreditGrant]:
    """Lock grants in one order, so that two who need the same ones never wait for each other in a circle."""
    return list(rows.select_for_update(no_key=True, of=("self",)).select_related("customer").order_by("pk"))


def _live() -> Q:
    return Q(voided_at=None, expired_at=None)


def _serving(customer_id: int, starts_at: datetime, ends_at: datetime) -> QuerySet[CreditGrant]:
    """The grants that are in force at some time of `[starts_at, ends_at)`."""
    meets = Q(effective_at__lt=ends_at) & (Q(expires_at=None) | Q(expires_at__gt=starts_at))
    return CreditGrant.objects.filter(_live(), meets, customer=customer_id)


def _ordered(rows: QuerySet[CreditGrant]) -> QuerySet[CreditGrant]:
    return rows.order_by("priority", F("expires_at").asc(nulls_last=True), "created_at", "pk")


def _columns_of(award: Award) -> dict[str, object]:
    return {
        "kind": award.kind,
        "name": award.name,
        "source": award.source,
        "funding": award.funding,
        "currency": award.amount.currency,
        "amount": award.amount.amount,
        "priority": award.priority,
        "cards": list(award.cards),
        "effective_at": award.effective_at,
        "expires_at": award.expires_at,
    }
