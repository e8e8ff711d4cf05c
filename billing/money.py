"""Money: an exact number of a known currency's smallest units, and the one rounding that makes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from fractions import Fraction
from math import floor
from types import MappingProxyType
from typing import Final

from billing.errors import CurrencyMismatchError, MoneyError, UnknownCurrencyError


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency we invoice in (ISO 4217): digits after the point, and the smallest amount that can be charged."""

    code: str
    exponent: int
    step: Decimal


CURRENCIES: Final[Mapping[str, Currency]] = MappingProxyType(
    {
        "USD": Currency("USD", 2, Decimal("0.01")),
        "EUR": Currency("EUR", 2, Decimal("0.01")),
        "GBP": Currency("GBP", 2, Decimal("0.01")),
        "JPY": Currency("JPY", 0, Decimal(1)),
    }
)
# What numeric(20, 4) holds. Sums below it fit into the 28 digits of Python's decimals, so none is ever rounded.
LIMIT: Final = Decimal(10) ** 16


def currency_of(code: str) -> Currency:
    """Return the currency of an ISO 4217 code. Raises UnknownCurrencyError."""
    try:
        return CURRENCIES[code]
    except KeyError:
        raise UnknownCurrencyError(f"{code!r} is not one of {', '.join(CURRENCIES)}") from None


# Our own context: no caller's digits or traps change an amount. Its half up mirrors at zero, as ours does.
_HALF_UP: Final = Context(prec=100, rounding=ROUND_HALF_UP, traps=[InvalidOperation])


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An amount in a currency; whole smallest units only, so that no sum of amounts needs rounding.

    Raises MoneyError for a float, a fraction of a smallest unit or an amount beyond `LIMIT`, UnknownCurrencyError for a
    currency that is not on the list, CurrencyMismatchError where two currencies meet.
    """

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        step = currency_of(self.currency).step
        if not isinstance(self.amount, Decimal):
            raise MoneyError(f"{self.amount!r} is a {type(self.amount).__name__}; money is made of Decimal")
        if not self.amount.is_finite() or not -LIMIT < self.amount < LIMIT:
            raise MoneyError(f"{self.amount} is no amount of money")
        exact = self.amount.quantize(step, context=_HALF_UP)
        if exact != self.amount:
            raise MoneyError(f"{self.amount} {self.currency} is no multiple of {step}")
        object.__setattr__(self, "amount", exact or abs(exact))  # -0 becomes 0

    def __add__(self, other: "Money") -> "Money":
        return Money(self.amount + self._amount_of(other), self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.amount - self._amount_of(other), self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.amount, self.currency)

    def __lt__(self, other: "Money") -> bool:
        return self.amount < self._amount_of(other)

    def __le__(self, other: "Money") -> bool:
        return self.amount <= self._amount_of(other)

    def __bool__(self) -> bool:
        return bool(self.amount)

    def __str__(self) -> str:
        return f"{self.amount:f} {self.currency}"

    def _amount_of(self, other: object) -> Decimal:
        if not isinstance(other, Money):
            raise MoneyError(f"{other!r} is a {type(other).__name__}; money goes only with money")
        if other.currency != self.currency:
            raise CurrencyMismatchError(f"{self} and {other} cannot be mixed")
        return other.amount


def zero(currency: str) -> Money:
    """Return no money of a currency. Raises UnknownCurrencyError."""
    return Money(Decimal(0), currency)


def total(amounts: Sequence[Money], currency: str) -> Money:
    """Return the sum, zero for none. Raises CurrencyMismatchError."""
    return sum(amounts, zero(currency))


def round_half_up(value: Fraction | Decimal, currency: str) -> Money:
    """Round an exact amount to the smallest unit: the only rounding of money there is.

    Half goes up, and of a negative amount down, so that a credit mirrors its charge. Raises MoneyError for a float.
    """
    step = currency_of(currency).step
    if isinstance(value, Decimal) and value.is_finite() and -LIMIT < value < LIMIT:
        return Money(value.quantize(step, context=_HALF_UP), currency)
    if not isinstance(value, Fraction | Decimal):
        raise MoneyError(f"{value!r} is a {type(value).__name__}; amounts are Fraction or Decimal")
    exact = Fraction(value)
    steps = floor(abs(exact) / Fraction(step) + Fraction(1, 2))
    return Money((-steps if exact < 0 else steps) * step, currency)


def allocate(total: Money, weights: Sequence[Fraction | Decimal | int]) -> tuple[Money, ...]:
    """Split `total` in proportion to `weights` without gaining or losing a smallest unit.

    Largest remainder (Hamilton): each gets its share rounded down, the units left over go to the largest remainders,
    the earlier first where they are equal. Raises MoneyError for negative weights, or none above zero.
    """
    exact = [Fraction(weight) for weight in weights]
    if not sum(exact) > 0 or min(exact) < 0:
        raise MoneyError("weights must not be negative, and one must be above zero")
    units = abs(to_minor_units(total))
    shares = [units * weight / sum(exact) for weight in exact]
    whole = [floor(share) for share in shares]
    order = sorted(range(len(shares)), key=lambda index: whole[index] - shares[index])
    for index in order[: units - sum(whole)]:
        whole[index] += 1
    sign = -1 if total.amount < 0 else 1
    return tuple(from_minor_units(sign * part, total.currency) for part in whole)


def spread(total: Money, parts: Sequence[Money]) -> tuple[Money, ...]:
    """Split `total` in proportion to signed parts, none beyond its part, without gaining or losing a smallest unit.

    Largest remainder, as `allocate`. `total` lies between nothing and the sum of the parts, which is above nothing;
    raises MoneyError.
    """
    units, whole = to_minor_units(total), [to_minor_units(part) for part in parts]
    if not 0 <= units <= sum(whole) or not sum(whole):
        raise MoneyError(f"{total} is not within what the parts sum to")
    exact = [Fraction(part) * units / sum(whole) for part in whole]
    floors = [floor(share) for share in exact]
    order = sorted(range(len(exact)), key=lambda index: floors[index] - exact[index])
    for index in order[: units - sum(floors)]:
        floors[index] += 1
    return tuple(from_minor_units(part, total.currency) for part in floors)


def to_minor_units(money: Money) -> int:
    """Return the amount as payment providers take it: cents of a euro, yen of a yen."""
    return int(money.amount.scaleb(currency_of(money.currency).exponent))


def from_minor_units(units: int, currency: str) -> Money:
    """Return the money of a whole number of smallest units. Raises UnknownCurrencyError, MoneyError."""
    if type(units) is not int:
        raise MoneyError(f"{units!r} is no whole number of smallest units")
    return Money(Decimal(units).scaleb(-currency_of(currency).exponent), currency)
