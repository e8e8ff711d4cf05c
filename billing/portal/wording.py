"""How amounts, quantities and spans of time are written for people; only here is a shown number shortened."""

from datetime import datetime, time, timedelta, tzinfo
from decimal import Decimal
from fractions import Fraction
from typing import Final

from billing.money import Money, currency_of

SYMBOLS: Final = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥"}
MINUS: Final = "\u2212"
SHOWN_PLACES: Final = 3
STORED_PLACES: Final = 12


def money_text(money: Money) -> str:
    """Return an amount with its symbol and as many digits as its currency has: €1,234.50, ¥1,234."""
    return _with_symbol(f"{abs(money.amount):,.{currency_of(money.currency).exponent}f}", money)


def price_text(amount: Decimal, currency: str) -> str:
    """Return a price or an unrounded amount with every digit it has, at least those of the currency: €0.008."""
    exponent = currency_of(currency).exponent
    whole, _, fraction = f"{abs(amount):,f}".partition(".")
    digits = fraction.rstrip("0").ljust(exponent, "0")
    sign = MINUS if amount < 0 else ""
    return f"{sign}{SYMBOLS.get(currency, currency + ' ')}{whole}{'.' if digits else ''}{digits}"


def quantity_text(quantity: Decimal | Fraction, *, places: int = SHOWN_PLACES) -> str:
    """Return a quantity with groups of three and at most `places` digits after the point, half up, no trailing zeros.

    What is too small for that shows as a bound (< 0.001), never as nothing.
    """
    scaled = Fraction(quantity) * 10**places
    units = (abs(scaled.numerator) * 2 + scaled.denominator) // (scaled.denominator * 2)
    if scaled and not units:
        return f"< {Decimal(1).scaleb(-places):f}"
    whole, rest = divmod(units, 10**places)
    fraction = f"{rest:0{places}}".rstrip("0")
    return f"{MINUS if scaled < 0 else ''}{whole:,}{'.' if fraction else ''}{fraction}"


def span_text(starts_at: datetime, ends_at: datetime, zone: tzinfo) -> str:
    """Return a half-open span in local time: its first and last day where it is made of whole days, else its bounds."""
    first, end = starts_at.astimezone(zone), ends_at.astimezone(zone)
    if first.time() != time() or end.time() != time():
        return f"{moment_text(first)} to {moment_text(end)}"
    last = end - timedelta(days=1)
    if first.date() == last.date():
        return day_text(first)
    return f"{day_text(first)} to {day_text(last)}"


def day_text(local: datetime) -> str:
    """Return the day of a local time: 1 Nov 2026."""
    return f"{local.day} {local:%b %Y}"


def moment_text(local: datetime) -> str:
    """Return a local time to the minute: 1 Nov 2026, 14:05."""
    return f"{day_text(local)}, {local:%H:%M}"


def label_of(name: str) -> str:
    """Return the name of a dimension as a label: hardware_class becomes Hardware class."""
    return name.replace("_", " ").capitalize()


def plural_of(unit: str) -> str:
    """Return the name of several units: turn becomes turns; what is no plain word, such as GB, stays as it is."""
    return f"{unit}s" if unit[-1:].isalpha() and unit.islower() and not unit.endswith("s") else unit


def count_text(count: int, noun: str) -> str:
    """Return a count with its noun: 1 day, 2 days."""
    return f"{count} {noun if count == 1 else plural_of(noun)}"


def _with_symbol(digits: str, money: Money) -> str:
    sign = MINUS if money.amount < 0 else ""
    return f"{sign}{SYMBOLS.get(money.currency, money.currency + ' ')}{digits}"
