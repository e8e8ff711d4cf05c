"""Tiers: graduated, by volume, packages, single units, percentages."""

from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from billing.rating.cost import amount_of, cost, transactions
from billing.rating.kinds import Graduated, Package, Percentage, StairStep, Unit, Volume
from billing.rating.statement import Discount
from metering.aggregation import Period as Span
from metering.aggregation import Reading, aggregate
from tests.billing.pricing import JANUARY, bill, card, grouped, tiers
from tests.oracle.book import costs, equal

OPENMETER_1 = Graduated(tiers(("5", "0", "100"), ("10", "0", "50"), ("15", "5", "0"), (None, "1", "0")))
OPENMETER_2 = Graduated(tiers(("5", "0", "100"), ("10", "0", "50"), ("15", "10", "0"), (None, "5", "0")))
LAGO = Graduated(tiers(("10", "10", "2"), ("20", "5", "3"), (None, "5", "3")))
RANGES = Graduated(tiers(("0.1", "10", "0"), ("1", "5", "0"), (None, "2", "0")))
SLABS = tiers(("10", "50", "0"), ("20", "40", "0"), (None, "30", "0"))
FREE_FIRST = Graduated(tiers(("5", "0", "0"), ("10", "2", "0"), (None, "3", "0")))
SEATS = tiers(("10", "1000", "0"), ("50", "800", "0"), (None, "600", "0"))
RATES = Graduated(tiers(("10", "0.01", "200"), ("20", "0.02", "300"), (None, "0.03", "400")))
BY_VOLUME = Volume(tiers(("5", "0", "100"), ("10", "0", "150"), ("15", "10", "0"), (None, "5", "0")))
LAGO_VOLUME = Volume(tiers(("100", "2", "10"), ("200", "1", "0"), (None, "0.5", "50")))


def after(price, billed: str, now: str) -> Fraction:
    """What is charged now: the cost of all less the cost of what was billed."""
    return cost(price, Fraction(now)) - cost(price, Fraction(billed))


@equal("G2", "22")
def _():
    return after(OPENMETER_1, "12", "22")


@equal("G4", "900")
def _():
    rated = bill(card(OPENMETER_1, minimum=Decimal(1000)))
    return next(line.amount for line in rated.lines if line.kind == "minimum")


costs(OPENMETER_2, {"G5-0": ("0", "100"), "G5-3": ("3", "100"), "G5-5.001": ("5.001", "150"), "G5-7": ("7", "150")})
costs(LAGO, {"G6-0": ("0", "2"), "G6-1": ("1", "12"), "G6-11": ("11", "110"), "G6-12": ("12", "115")})
costs(RANGES, {"G7-0.5": ("0.5", "3")})
costs(Graduated(SLABS), {"G8-5": ("5", "250"), "G8-15": ("15", "700"), "G8-25": ("25", "1050")})
costs(FREE_FIRST, {"G9-3": ("3", "0"), "G9-5": ("5", "0"), "G9-15": ("15", "25")})
costs(
    Graduated(SEATS),
    {"G11-5": ("5", "5000"), "G11-15": ("15", "14000"), "G11-50": ("50", "42000"), "G11-100": ("100", "72000")},
)
costs(RATES, {"GP-1": ("1", "200.01"), "GP-10": ("10", "200.1"), "GP-11": ("11", "500.12")})
costs(BY_VOLUME, {"V1-0": ("0", "100"), "V1-5": ("5", "100"), "V1-16": ("16", "80"), "V1-100": ("100", "500")})
costs(LAGO_VOLUME, {"V4-1": ("1", "12"), "V4-100": ("100", "210"), "V4-101": ("101", "101"), "V4-300": ("300", "200")})
costs(Volume(SLABS), {"V6-5": ("5", "250"), "V6-25": ("25", "750")})
costs(
    Volume(SEATS),
    {"V7-10": ("10", "10000"), "V7-11": ("11", "8800"), "V7-51": ("51", "30600"), "V7-100": ("100", "60000")},
)
costs(Package(Decimal(10), Decimal(15)), {"P1-10": ("10", "15"), "P1-5": ("5", "15")})
costs(
    Package(Decimal(100), Decimal(1)),
    {"P5-2": ("2", "1"), "P5-100": ("100", "1"), "P5-101": ("101", "2"), "P5-300": ("300", "3")},
)


@equal("G10", "6.5")
def _():
    price = Graduated(tiers(("5", "1", "0"), (None, "0.5", "0")))
    return bill(card(price, divide_by=Decimal(1000), rounding="up"), usage={"card": "7400"}).total


@equal("P2", "15")
def _():
    return after(Package(Decimal(10), Decimal(15)), "17", "22")


@equal("P4-0", "1300")
def _():
    return bill(card(Package(Decimal(10), Decimal(100))), usage={"card": "121"}).total


@equal("P4-10", "1200")
def _():
    return bill(card(Package(Decimal(10), Decimal(100)), allowance=Decimal(10)), usage={"card": "121"}).total


@equal("P6", "2", "0")
def _():
    """Whole packages only: a conversion that rounds down."""
    whole = card(Unit(Decimal(1)), divide_by=Decimal(100), rounding="down")
    return bill(whole, usage={"card": "250"}).total, bill(whole, usage={"card": "50"}).total


def capped(price, most: str, billed: str, now: str, discounts=()):
    """Return what the later bill adds to the earlier one."""
    plan = card(price, maximum=Decimal(most))
    first, second = (bill(plan, usage={"card": used}, discounts=discounts).total for used in (billed, now))
    return second - first


@equal("U1", "30")
def _():
    return capped(Unit(Decimal(10)), "100", "7", "12")


@equal("U2", "65")
def _():
    return capped(Unit(Decimal(10)), "100", "7", "27", (Discount("half", "Half", percent=Decimal(50)),))


@equal("U3", "100")
def _():
    return bill(card(Unit(Decimal(10)), minimum=Decimal(100))).lines[-1].amount


@equal("U5", "15")
def _():
    """1,400 in thousands, rounded up, at 10: the units taken off count after rounding."""
    plan = card(Unit(Decimal(10)), divide_by=Decimal(1000), rounding="up", allowance=Decimal("0.5"))
    return bill(plan, usage={"card": "1400"}).total


@equal("D2", "6.67")
def _():
    return capped(Unit(Decimal("1.33333")), "100", "70", "120")


@equal("D3", "10", "912")
def _():
    reported = card(Unit(Decimal("0.01")))
    return tuple(bill(reported, usage={"card": cents}).total.amount * 100 for cents in ("10.1", "912.0"))


@equal("PC1", "11.15")
def _():
    """250 of the amount are free; a transaction that lies within them wholly pays no fixed amount."""
    price = Percentage(Decimal("1.3"), Decimal(2), transaction="event")
    amounts = [(amount, {"event": str(at)}) for at, amount in enumerate(("50", "100", "250", "400"))]
    return bill(card(price, allowance=Decimal(250)), usage={"card": grouped(*amounts)}).total


def each(fixed: str) -> Fraction:
    price = Percentage(Decimal("2.99"), Decimal(fixed), Decimal("1.75"), Decimal(12), "event")
    return amount_of(transactions(price, [Fraction(amount) for amount in (10, 80, 10000)]), Fraction)


@equal("PC4", "16.142")
def _():
    return each("0")


@equal("PC5", "18.691")
def _():
    return each("2")


def cents(unit: Unit, units: str, **fields):
    return bill(card(unit, **fields), usage={"card": units}, currency="USD").total.amount * 100


@equal("MU-100x1.994", "199")
def _():
    return cents(Unit(Decimal(1)), "1.994")


@equal("MU-100x1000", "5000")
def _():
    return cents(Unit(Decimal(1)), "1000", maximum=Decimal(50))


@equal("MU-0.000000000001x1000000", "0")
def _():
    return cents(Unit(Decimal("0.000000000001")), "1000000", divide_by=Decimal(100))


@equal("MU-0.000000000001x1000000000000", "1")
def _():
    """Twelve digits of a dollar for each hundred units are twelve digits of a cent for each."""
    return cents(Unit(Decimal("0.000000000001")), "1000000000000", divide_by=Decimal(100))


@equal("L1", "3", "18")
def _():
    price = Graduated(tiers(("5", "1", "0"), ("10", "2", "0"), (None, "3", "0")))
    return cost(price, Fraction(3)), after(price, "3", "12")


@equal("L3", "50")
def _():
    return after(StairStep(tiers(("5", "0", "100"), (None, "0", "150"))), "5", "7")


@equal("L4", "30")
def _():
    return after(Unit(Decimal(10)), "5", "8")


@equal("X8", "0", "0", "2")
def _():
    price = Graduated(tiers(("2", "0", "0"), (None, "2", "0")))
    return tuple(after(price, str(at), str(at + 1)) for at in range(3))


@equal("X10", "12", "0", "0", "12", "0", "12")
def _():
    """A count of distinct ids: one that was seen stays seen for the period; a removal says nothing to such a meter."""
    totals = [Fraction(0)]
    seen: list[Reading] = []
    for id_ in ("id1", None, "id1", "id2", "id2", "id3"):
        seen += [Reading(JANUARY.starts_at, id_)] if id_ else []
        distinct = aggregate(key="unique", readings=seen, period=Span(JANUARY.starts_at, JANUARY.ends_at))
        totals.append(cost(Unit(Decimal(12)), Fraction(distinct)))
    return tuple(now - before for before, now in pairwise(totals))
