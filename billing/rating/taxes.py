"""Taxes: one line for each rate, on the sum of the lines that it applies to, rounded once."""

from decimal import Decimal

from billing.money import Money, round_half_up, total, zero
from billing.rating.cost import PriceRow
from billing.rating.lines import Line, LineKind
from billing.rating.numbers import text_of
from billing.rating.sheet import PLAN, Sheet
from billing.rating.terms import TaxRate, Treatment


def add_tax(sheet: Sheet) -> None:
    """Write the tax lines; where a customer is not taxed, one line over nothing says why."""
    rule = sheet.terms.tax
    if rule is None:
        return
    if rule.treatment != Treatment.TAXED:
        _write(sheet, rule.note, zero(sheet.terms.currency), None, str(rule.treatment))
        return
    bases = [(rate, _base(sheet, rate)) for rate in rule.rates]  # all on the lines before tax, none on another's tax
    for rate, base in bases:
        _charge(sheet, rate, base)


def _base(sheet: Sheet, rate: TaxRate) -> Money:
    nets = [net for card, net in sheet.nets.items() if not rate.cards or card in rate.cards]
    return total(nets, sheet.terms.currency)


def _charge(sheet: Sheet, rate: TaxRate, base: Money) -> None:
    if not base:
        return
    part = rate.percent.scaleb(-2)
    exact = base.amount * part
    row = PriceRow(f"{text_of(rate.percent)} % of {base}", base.amount, part, exact)
    _write(sheet, f"{rate.name} {text_of(rate.percent)} %", round_half_up(exact, base.currency), row, rate.key)


def _write(sheet: Sheet, description: str, amount: Money, row: PriceRow[Decimal] | None, source: str) -> None:
    period = sheet.terms.period
    rows = () if row is None else (row,)
    line = Line(
        LineKind.TAX, PLAN, description, "", Decimal(1), "", amount, rows, period.starts_at, period.ends_at, source
    )
    sheet.lines.append(line)
