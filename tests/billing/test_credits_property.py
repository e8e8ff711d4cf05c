"""Whatever is granted, drawn, voided and left to expire: the books agree, and nothing falls below zero."""

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal

from django.db.models import Sum
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from billing import credits, ledger
from billing.credits import Award
from billing.ledger import Units
from billing.models import CreditDrawdown, CreditGrant, LedgerEntry
from billing.models.credits import Funding, GrantKind
from billing.models.ledger import Account
from billing.money import from_minor_units
from billing.rating.statement import Draw
from tests import factories
from tests.billing import agreed
from tests.billing.conftest import MAY

DAY = timedelta(days=1)

small = st.integers(1, 40)
days = st.integers(1, 6)
give = st.tuples(st.just("give"), small, st.booleans(), st.one_of(st.none(), days), st.sampled_from([1, 100]))
give_units = st.tuples(st.just("units"), small)
pay = st.tuples(st.just("pay"), small)
lower = st.tuples(st.just("lower"), small)
void = st.tuples(st.just("void"), st.integers(0, 5))
expire = st.tuples(st.just("expire"))
actions = st.lists(st.one_of(give, give_units, pay, lower, void, expire), max_size=12)


class Business:
    """Does what it is told, a day for each thing, and keeps a naive book of what is left: grant key to amount."""

    def __init__(self):
        self.customer, self.now, self.left = factories.customer(), MAY, {}
        self.order = {}

    def do(self, action, *facts):
        self.now += DAY
        getattr(self, action)(*facts)

    def give(self, cents, is_paid, lasts, priority):
        amount = from_minor_units(cents, "EUR")
        expires_at = None if lasts is None else self.now + lasts * DAY
        kind, funding = (GrantKind.PREPAID, Funding.CASH) if is_paid else (GrantKind.PROMOTIONAL, Funding.ISSUED)
        self._grant(Award(kind, "G", amount, self.now, expires_at, priority, funding=funding))

    def units(self, number):
        self._grant(Award(GrantKind.PROMOTIONAL, "U", Units(Decimal(number), "credits"), self.now))

    def _grant(self, award):
        key = f"g{len(self.order)}"
        credits.grant(customer=self.customer, award=award, key=key, now=self.now)
        self.left[key] = award.amount.amount
        self.order[key] = (award.priority, award.expires_at or MAY + 999 * DAY, self.now, award)

    def burn(self, wanted, kind):
        """The oracle: a sorted list, and subtraction."""
        usable = [
            key
            for key in sorted(self.left, key=lambda key: self.order[key][:3])
            if self.order[key][3].kind == kind
            and self.order[key][3].amount.currency == "EUR"
            and (self.order[key][3].expires_at or self.now + DAY) > self.now
        ]
        taken = {}
        for key in usable:
            part = min(self.left[key], wanted)
            self.left[key], wanted = self.left[key] - part, wanted - part
            taken[key] = part
        return {key: part for key, part in taken.items() if part}

    def pay(self, cents):
        total = from_minor_units(cents, "EUR").amount
        invoice = self._draft(str(total))
        paid = credits.apply(invoice=invoice, now=self.now)
        agreed.issue(invoice, self.now)
        assert paid.amount == sum(self.burn(total, GrantKind.PREPAID).values())

    def lower(self, cents):
        invoice = self._draft("0")
        wanted = from_minor_units(cents, "EUR").amount
        draws = []
        for grant in credits.for_period(period=invoice.period, currency="EUR"):
            part = min(wanted, grant.remaining) if grant.unit == "EUR" else grant.remaining / 2
            wanted -= part if grant.unit == "EUR" else 0
            draws += [Draw(grant.key, "turns", part, grant.unit)] if part else []
        credits.draw(invoice=invoice, draws=draws, now=self.now)
        agreed.issue(invoice, self.now)
        expected = self.burn(from_minor_units(cents, "EUR").amount, GrantKind.PROMOTIONAL)
        for draw in draws:
            if draw.unit == "credits":
                self.left[draw.grant] -= draw.quantity
        assert {draw.grant: draw.quantity for draw in draws if draw.unit == "EUR"} == expected

    def _draft(self, total):
        return agreed.draft(agreed.period(self.customer, self.now, self.now + DAY / 2), total)

    def void(self, number):
        row = CreditGrant.objects.filter(key=f"g{number}", expired_at=None).first()
        if row is not None:
            credits.void(grant=row, reason="", now=self.now)
            self.left[row.key] = Decimal(0)

    def expire(self):
        for row in credits.expire_due(now=self.now):
            self.left[row.key] = Decimal(0)


class EverySequence(TestCase):
    """Of grants, draws, expiries and voids."""

    @settings(deadline=None, max_examples=60)
    @given(actions)
    def test_balances_are_the_sums_of_entries_and_never_below_zero(self, sequence):
        business = Business()
        for action, *facts in sequence:
            business.do(action, *facts)
            self.check(business)

    def check(self, business):
        by_currency: dict[str, Decimal] = defaultdict(Decimal)
        for row in CreditGrant.objects.all():
            left = ledger.remaining(grant=row).amount
            drawn = row.drawdowns.aggregate(sum=Sum("amount"))["sum"] or Decimal(0)
            assert 0 <= left <= row.amount
            assert left == business.left[row.key]
            assert row.voided_at or row.expired_at or left == row.amount - drawn
            by_currency[row.currency] += left
        for currency, left in by_currency.items():
            entries = LedgerEntry.objects.filter(account=Account.CREDITS, currency=currency)
            assert entries.aggregate(sum=Sum("amount"))["sum"] == -left
        sums = LedgerEntry.objects.values("transaction", "currency").annotate(sum=Sum("amount"))
        assert not [row for row in sums if row["sum"]]
        assert CreditDrawdown.objects.count() <= LedgerEntry.objects.filter(grant__isnull=False).count()
