"""Adjustments: lines beside the prices of a period, each made from what decides it, for the invoice and its proof."""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from billing.money import Money, round_half_up, zero
from billing.periods import Period
from billing.rating import quantities
from billing.rating.card import Card
from billing.rating.cost import PriceRow
from billing.rating.lines import Line, LineKind
from billing.rating.numbers import plain, text_of
from billing.rating.terms import Service
from billing.rating.usage import Usage


@dataclass(frozen=True, slots=True)
class GivenBack:
    """Prepaid time that is no longer agreed; below nothing, where what was given back is agreed once more.

    `net` was charged for `period`, `seconds` of it are unused, `returned` was given back of it before. `source` names
    the line that charged it, `card` the key under which it is taxed.
    """

    card: str
    description: str
    unit: str
    net: Money
    returned: Money
    period: Period
    seconds: Fraction
    source: str

    @property
    def amount(self) -> Money:
        """What is due back: the whole less what was returned, so that asking twice returns nothing twice."""
        whole = Fraction(self.net.amount) * self.seconds / self.period.seconds
        return round_half_up(whole, self.net.currency) - self.returned

    def line(self) -> Line:
        """Return the line that gives it back."""
        seconds = f"{text_of(self.seconds)} s of {text_of(self.period.seconds)} s unused"
        rows = [PriceRow(f"{self.net} was charged, {seconds}", self.seconds / self.period.seconds)]
        if self.returned:
            rows.append(PriceRow(f"{self.returned} of it was given back before", Fraction(1)))
        is_back = self.amount > zero(self.net.currency)
        return Line(
            kind=LineKind.CHARGE,
            card=self.card,
            description=f"{self.description}: unused time" if is_back else self.description,
            meter="",
            quantity=plain(self.seconds / self.period.seconds),
            unit=self.unit,
            amount=-self.amount,
            rows=tuple(rows),
            starts_at=self.period.starts_at,
            ends_at=self.period.ends_at,
            source=self.source,
        )


@dataclass(frozen=True, slots=True)
class FreeOfCharge:
    """What was used of a card while nothing is charged, by the name of the reason."""

    card: Card
    usage: Usage
    service: Service
    currency: str
    source: str
    reason: str

    def line(self) -> Line | None:
        """Return the line that shows it at no cost; none where nothing was used."""
        card, period = self.card, self.service.period
        used = sum((Fraction(part.quantity) for part in self.usage.parts), Fraction(0))
        seconds = self.service.full.seconds if card.per_period else None
        exact = quantities.convert(quantity=used, divide_by=card.divide_by, period_seconds=seconds)
        if not exact:
            return None
        return Line(
            kind=LineKind.ZERO_RATED,
            card=card.key,
            description=f"{card.name}: {self.reason}",
            meter=card.meter,
            quantity=plain(quantities.round_units(quantity=exact, rounding=card.rounding)),
            unit=card.unit,
            amount=zero(self.currency),
            rows=(),
            starts_at=period.starts_at,
            ends_at=period.ends_at,
            source=self.source,
        )


@dataclass(frozen=True, slots=True)
class Late:
    """What usage that came after an invoice makes of one of its lines: what it comes to now, less what was billed.

    `label` names the period it was used in; `card` is the key under which it is taxed, `source` names the line.
    """

    card: str
    label: str
    description: str
    meter: str
    unit: str
    now: tuple[Decimal, Money]
    billed: tuple[Decimal, Money]
    period: Period
    source: str

    @property
    def quantity(self) -> Decimal:
        """What is more than was billed; below nothing where it is less."""
        return plain(Fraction(self.now[0]) - Fraction(self.billed[0]))

    @property
    def amount(self) -> Money:
        """What is due for it: both were rounded before (stripe.md F3), so that nothing is lost between them."""
        return self.now[1] - self.billed[1]

    def line(self) -> Line:
        """Return the line that charges it, or gives it back."""
        (quantity, amount), (quantity_billed, amount_billed) = self.now, self.billed
        rows = (
            PriceRow(f"{text_of(quantity)} {self.unit} with what came late", quantity, None, amount.amount),
            PriceRow(f"{text_of(quantity_billed)} billed before", -quantity_billed, None, -amount_billed.amount),
        )
        return Line(
            kind=LineKind.LATE,
            card=self.card,
            description=f"{self.label}: {self.description}"[:250],
            meter=self.meter,
            quantity=self.quantity,
            unit=self.unit,
            amount=self.amount,
            rows=rows,
            starts_at=self.period.starts_at,
            ends_at=self.period.ends_at,
            source=self.source,
        )


Adjustment = GivenBack | FreeOfCharge | Late
