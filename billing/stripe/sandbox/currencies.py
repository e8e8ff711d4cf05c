"""What the sandbox knows of each currency: exponent, step, smallest charge and how an amount is written."""

from dataclasses import dataclass

from billing.stripe.sandbox.errors import InvalidRequestError


@dataclass(frozen=True, slots=True)
class Currency:
    """Amounts are integers in the smallest unit; `exponent` digits of it follow the decimal point.

    `step` is what amounts must be a multiple of: 10 for three decimals (the last must be 0), 100 for ISK (C5).
    """

    code: str
    symbol: str
    exponent: int
    minimum_charge: int
    step: int = 1


# Smallest charges: docs.stripe.com/currencies#minimum-and-maximum-charge-amounts; where none is listed, about half a
# dollar, by which Stripe then goes.
_CURRENCIES = {
    currency.code: currency
    for currency in (
        Currency("usd", "$", 2, 50),
        Currency("eur", "€", 2, 50),
        Currency("gbp", "£", 2, 30),
        Currency("aud", "A$", 2, 50),
        Currency("cad", "C$", 2, 50),
        Currency("chf", "CHF ", 2, 50),
        Currency("dkk", "DKK ", 2, 250),
        Currency("nok", "NOK ", 2, 300),
        Currency("pln", "PLN ", 2, 200),
        Currency("sek", "SEK ", 2, 300),
        Currency("isk", "ISK ", 2, 7000, step=100),
        Currency("jpy", "¥", 0, 50),
        Currency("clp", "CLP ", 0, 500),
        Currency("krw", "₩", 0, 700),
        Currency("vnd", "₫", 0, 13000),
        Currency("bhd", "BHD ", 3, 200, step=10),
        Currency("jod", "JOD ", 3, 360, step=10),
        Currency("kwd", "KWD ", 3, 160, step=10),
        Currency("omr", "OMR ", 3, 200, step=10),
        Currency("tnd", "TND ", 3, 1600, step=10),
    )
}


def find(*, code: str) -> Currency:
    """The currency of that code. Raises InvalidRequestError naming the supported ones."""
    try:
        return _CURRENCIES[code.lower()]
    except KeyError:
        message = f"Invalid currency: {code}. The sandbox supports these currencies: {', '.join(_CURRENCIES)}"
        raise InvalidRequestError(message, param="currency") from None


def require_step(*, amount: int, code: str, param: str) -> None:
    """Raises InvalidRequestError where an amount is finer than the currency is used: 5124 kwd, 1050 isk."""
    currency = find(code=code)
    if amount % currency.step:
        message = f"Invalid amount: {amount}. Amounts in {code.upper()} must be a multiple of {currency.step}."
        raise InvalidRequestError(message, code="invalid_charge_amount_no_decimal_compatible", param=param)


def format_amount(*, amount: int, code: str) -> str:
    """An amount as people write it: 123456 usd is "$1,234.56", 1235 jpy is "¥1,235"."""
    currency = find(code=code)
    sign = "-" if amount < 0 else ""
    whole, fraction = divmod(abs(amount), 10**currency.exponent)
    decimals = f".{fraction:0{currency.exponent}d}" if currency.exponent else ""
    return f"{sign}{currency.symbol}{whole:,}{decimals}"
