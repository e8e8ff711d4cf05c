"""Exact numbers: how a value is read from an event, and the arithmetic that never rounds."""

import re
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow, localcontext
from typing import Final

# A value has at most 15 digits before the point and 12 after it. With fewer than 10^11 such events in one hour a
# numeric(38, 12) window cannot overflow, so no sender can make a fold fail.
PATTERN: Final = r"^-?[0-9]{1,15}(\.[0-9]{1,12})?$"
FRACTION_DIGITS: Final = 12
WHOLE_LIMIT: Final = 10**15
LEVEL_FRACTION_DIGITS: Final = 6  # a level is multiplied by microseconds, which take the other six
_NUMBER = re.compile(PATTERN.removesuffix("$") + r"\Z")

# Python's default context keeps 28 digits and rounds in silence; a numeric(38, 12) needs more.
_ONE: Final = Decimal(1)
EXACT: Final = Context(prec=100, traps=[Inexact, InvalidOperation, Overflow])


def text_of(value: object) -> str | None:
    """Return a scalar of an event as PostgreSQL's `->>` does, so that Python and SQL filter and group alike.

    Raises TypeError for a list, an object or a float, which are neither names nor exact numbers.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not text, a whole number, true, false or null")


def number_of(value: object) -> Decimal:
    """Return an int or a decimal string as an exact number.

    Raises ValueError saying what is wrong: floats, exponents, signs other than a minus, NaN and numbers of more than
    15 digits before or 12 after the point are refused.
    """
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("must be a whole number or a decimal string")  # noqa: TRY004 - one error for a bad value
    if isinstance(value, int) and abs(value) >= WHOLE_LIMIT:
        raise ValueError("must have at most 15 digits before the point")
    if not _NUMBER.match(str(value)):
        raise ValueError("must be a decimal number of at most 15 digits before the point and 12 after it")
    return Decimal(value)


def plain(number: Decimal) -> Decimal:
    """Return `number` without trailing zeros and without an exponent, so that equal quantities print alike."""
    short = number.normalize(EXACT)
    return EXACT.plus(short.quantize(_ONE, context=EXACT) if short == short.to_integral_value() else short)


def product(one: Decimal, other: Decimal) -> Decimal:
    """Multiply exactly."""
    return EXACT.multiply(one, other)


def total(numbers: list[Decimal]) -> Decimal:
    """Add exactly."""
    with localcontext(EXACT):
        return sum(numbers, Decimal(0))
