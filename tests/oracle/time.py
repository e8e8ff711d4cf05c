"""Time: proration, changes in mid-period, terminations, commitments that follow the period."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from billing.errors import PeriodError
from billing.money import Money, round_half_up
from billing.periods import Period, full_period
from billing.rating.kinds import Capacity, Graduated, Matrix, MatrixRow, Unit, Volume
from billing.rating.statement import TaxRate, TaxRule
from tests.billing.pricing import bill, card, fee, grouped, tiers, used
from tests.oracle.book import differs, equal

DAY = timedelta(days=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def days(first: str, last: str) -> Period:
    """Return the period from the start of one day to the start of another, which is outside."""
    return Period(at(first), at(last))


def part_of(amount: str, part: Period, full: Period, currency="USD") -> Money:
    return round_half_up(Fraction(amount) * part.fraction_of(full), currency)


MARCH = days("2024-03-01", "2024-04-01")
FEBRUARY = days("2023-02-01", "2023-03-01")


@equal("R2", "32.26")
def _():
    return bill(fee("100"), period=Period(MARCH.starts_at, MARCH.starts_at + 10 * DAY), full=MARCH).total


@equal("R3", "323")
def _():
    first = Period(MARCH.starts_at, MARCH.starts_at + 10 * DAY)
    return bill(fee("1000"), period=first, full=MARCH, currency="JPY").total


@differs(
    "R4",
    published=("100",),
    ours=("refused", "refused"),
    convention="a period that is empty, or not within the full one, is refused: nothing is guessed from bounds that"
    " contradict each other",
)
def _():
    longer = refused(lambda: bill(fee("100"), period=days("2023-02-01", "2023-03-02"), full=FEBRUARY))
    return longer, refused(lambda: days("2024-03-01", "2024-03-01"))


def refused(ask) -> str:
    try:
        return str(ask())
    except PeriodError:
        return "refused"


FROM_MID_MARCH = days("2024-03-15", "2024-04-01")


@equal("R7", "27.42")
def _():
    """Five seats more from the 15th: 17 of 31 days, by seat-seconds."""
    seats = card(Unit(Decimal(10)), meter="seats", per_period=True)
    before, after = MARCH.seconds * 5, MARCH.seconds * 5 + FROM_MID_MARCH.seconds * 5
    five, ten = (
        bill(seats, usage={"card": used(str(int(seconds)))}, period=MARCH, full=MARCH).total
        for seconds in (before, after)
    )
    return ten - five


@equal("R8", "13.71")
def _():
    return part_of("25", FROM_MID_MARCH, MARCH)


@equal("R9", "-21.94")
def _():
    return part_of("-40", FROM_MID_MARCH, MARCH)


@equal("R11", "-14.5")
def _():
    """One day of a month of thirty has passed: 4.83 for the rest of the new plan less 19.33 of the old one."""
    april = days("2024-04-01", "2024-05-01")
    rest = days("2024-04-02", "2024-05-01")
    return part_of("5", rest, april) - part_of("20", rest, april)


ENDED = "the instant of a change belongs to the new state: who ends at the start of a day does not pay for that day"


@differs("R13", published=("5.36", "1.07", "6.43"), ours=("7.14", "1.43", "8.57"), convention=ENDED)
def _():
    return with_tax(part_of("50", days("2023-02-25", "2023-03-01"), FEBRUARY), "20")


def with_tax(net: Money, percent: str) -> tuple[Money, Money, Money]:
    """Return an amount, the tax on it as it was rounded, and their sum."""
    tax = round_half_up(net.amount * Decimal(percent) / 100, net.currency)
    return net, tax, net + tax


@equal("R15", "19.29", "89.29", "17.86", "100.72")
def _():
    price = Matrix((MatrixRow({"region": ("usa",)}, Unit(Decimal(1))),), Unit(Decimal(1)))
    read = grouped(("20", {"region": "europe"}), ("50", {"region": "usa"}))
    rated = bill(
        card(price, minimum=Decimal(100)),
        usage={"card": read},
        period=Period(FEBRUARY.starts_at, FEBRUARY.starts_at + 25 * DAY),
        full=FEBRUARY,
        tax=TaxRule((TaxRate("vat", "VAT", Decimal(20)),)),
    )
    minimum = next(line.amount for line in rated.lines if line.kind == "minimum")
    return minimum, rated.subtotal, rated.tax, rated.total - Money(Decimal("6.43"), "EUR")


@differs("R16", published=("320",), ours=("310",), convention=ENDED)
def _():
    """910 for a quarter of 91 days, active from 20 May to 20 June: 31 days where the last one does not count."""
    quarter = days("2024-04-01", "2024-07-01")
    return bill(fee("910"), period=days("2024-05-20", "2024-06-20"), full=quarter).total


@equal("R18", "45161.29")
def _():
    """Thirteen days of trial from 5 March: paid from the 18th."""
    return bill(fee("100000"), period=days("2024-03-18", "2024-04-01"), full=MARCH).total


@differs("R19", published=("18", "17"), ours=("17", "17"), convention=ENDED)
def _():
    december = days("2022-12-01", "2023-01-01")
    ended = bill(fee("31"), period=days("2022-12-01", "2022-12-18"), full=december).total
    return ended, ended


UNITS = Graduated(tiers(("5", "10", "100"), ("15", "5", "50"), (None, "2", "0")))
CHANGES = (
    ("2023-09-10", 2),
    ("2023-09-16", 5),
    ("2023-09-20", -6),
    ("2023-09-25", 10),
    ("2023-09-26", 4),
    ("2023-09-30", 60),
)


@differs(
    "R20",
    published=("114", "184", "165.67", "179.67", "183", "187", "370", "389.35"),
    ours=("114", "139", "117", "137", "143.67", "206.83", "370", "389.35"),
    convention="what is held over time counts as its mean over the full period, and tiers read the mean",
)
def _():
    september, october = days("2023-09-01", "2023-10-01"), days("2023-10-01", "2023-11-01")
    seconds, found = Fraction(0), []
    for day, change in CHANGES:
        seconds += Period(at(day), september.ends_at).seconds * change
        found.append(held(seconds, september))
    carried = october.seconds * sum(change for _, change in CHANGES)
    more = carried + days("2023-10-17", "2023-11-01").seconds * 20
    return (*found, held(carried, october), held(more, october))


def held(seconds: Fraction, month: Period) -> Money:
    units = card(UNITS, meter="units", per_period=True)
    return bill(units, usage={"card": used(str(int(seconds)))}, period=month, full=month).total


def committed(first: str, full: Period) -> Money:
    """Return what a plan of 1,000.00 with a minimum of 10,000.00 is short of, started on a day of the period."""
    minimum = Money(Decimal(10000), "EUR")
    rated = bill(fee("1000"), period=Period(at(first), full.ends_at), full=full, minimum=minimum)
    return rated.lines[-1].amount


@equal("C2", "8035.71")
def _():
    return committed("2023-02-04", FEBRUARY)


@equal("C3", "5600")
def _():
    return committed("2023-02-04", days("2023-01-01", "2023-04-01"))


@equal("C4", "8235.61")
def _():
    return committed("2022-02-01", days("2022-01-01", "2023-01-01"))


@equal("C5", "9000")
def _():
    month = full_period(anchor_at=at("2023-02-04"), zone="UTC", interval="month", at=at("2023-02-10"))
    return committed("2023-02-04", month)


@equal("C6", "14500")
def _():
    """An overage factor is a second tier: what goes beyond 1,000 costs half as much again."""
    price = Graduated(tiers(("1000", "1", "0"), (None, "1.5", "0")))
    return bill(card(price, minimum=Decimal(1000)), usage={"card": "10000"}).total


BY_PERIOD = "a commitment is for the billing period: no window within it has one of its own"


@differs("C7", published=("32",), ours=("20",), convention=BY_PERIOD)
def _():
    """Two windows' worth is committed, 20 for ten units, and ten units are used: nothing is beyond."""
    price = Graduated(tiers(("10", "2", "0"), (None, "4", "0")))
    return bill(card(price, minimum=Decimal(20)), usage={"card": "10"}).total


@differs("C8", published=("47",), ours=("49",), convention=BY_PERIOD)
def _():
    """Cards by a dimension for the time of day: 5 + 17 x 2 for 22 of value in the morning, and a minimum of 10."""
    morning = card(Graduated(tiers(("2.5", "2", "0"), (None, "4", "0"))), "morning")
    rest = card(Graduated(tiers(("10", "1", "0"), (None, "2", "0"))), "rest", minimum=Decimal(10))
    return bill(morning, rest, usage={"morning": "11", "rest": "3"}).total


@equal("C9", "31")
def _():
    night = card(Graduated(tiers(("4", "1", "0"), (None, "2", "0"))), "night", minimum=Decimal(4))
    return bill(night, card(Unit(Decimal(3)), "day"), usage={"night": "10", "day": "5"}).total


PEAK = "a capacity is the highest of the period, charged once: peaks of shorter windows are not added up"
BUCKETS = tiers(("10", "0.10", "0"), ("20", "0.05", "0"), (None, "0.02", "0"))


def peak(price, *buckets: int) -> Money:
    return bill(card(Capacity(price), meter="peak"), usage={"card": str(max(buckets))}).total


@differs("C10", published=("1.9",), ours=("1",), convention=PEAK)
def _():
    return peak(Unit(Decimal("0.10")), 9, 10)


@differs("C11", published=("2.15",), ours=("1.25",), convention=PEAK)
def _():
    return peak(Graduated(BUCKETS), 9, 15)


@differs("C12", published=("1.65",), ours=("0.75",), convention=PEAK)
def _():
    return peak(Volume(BUCKETS), 9, 15)
