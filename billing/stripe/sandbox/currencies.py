"""What the sandbox knows of each currency: exponent, smallest charge and how an amount is written."""

from dataclasses import dataclass

from billing.stripe.sandbox.errors import InvalidRequestError


@dataclass(frozen=True, slots=True)
class Currency:
    """Amounts are integers in the smallest unit; `exponent` digits of it follow the decimal point."""

    code: str
    symbol: str
    exponent: int
    minimum_charge: int


# Smallest charges: docs.stripe.com/currencies#minimum-and-maximum-charge-amounts.
_CURRENCIES = {
    currency.code: currency
    for currency in (
        Currency("usd", "$", 2, 50),
        Currency("eur", "€", 2, 50),
        Currency("gbp", "£", 2, 30),
        Currency("jpy", "¥", 0, 50),
    )
}


def find(*, code: str) -> Currency:
    """The currency of that code. Raises InvalidRequestError naming the supported ones."""
    try:
        return _CURRENCIES[code.lower()]
    except KeyError:
        message = f"Invalid currency: {code}. The sandbox supports these currencies: {', '.join(_CURRENCIES)}"
        raise InvalidRequestError(message, param="currency") from None


def format_amount(*, amount: int, code: str) -> str:
    """An amount as people write it: 123456 usd is "$1,234.56", 1235 jpy is "¥1,235"."""
    currency = find(code=code)
    sign = "-" if amount < 0 else ""
    whole, fraction = divmod(abs(amount), 10**currency.exponent)
    decimals = f".{fraction:0{currency.exponent}d}" if currency.exponent else ""
    return f"{sign}{currency.symbol}{whole:,}{decimals}"
