"""The statement: all lines of a billing period, from its terms; pure, shared by invoice, preview and rehearsal."""

from billing.rating.card import Card, ZeroRate
from billing.rating.lines import Draw, Line, LineKind, RatedPeriod
from billing.rating.terms import Discount, Grant, Pool, Service, TaxRate, TaxRule, Terms, Treatment
from billing.rating.usage import Part, Usage

__all__ = [
    "Card",
    "Discount",
    "Draw",
    "Grant",
    "Line",
    "LineKind",
    "Part",
    "Pool",
    "RatedPeriod",
    "Service",
    "TaxRate",
    "TaxRule",
    "Terms",
    "Treatment",
    "Usage",
    "ZeroRate",
]
