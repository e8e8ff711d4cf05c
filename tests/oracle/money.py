"""Money: thresholds, credits and their order, tax on credit, rounding."""

from decimal import Decimal

from billing.money import Money, round_half_up
from billing.rating.kinds import Credits, Unit
from billing.rating.statement import Draw, Grant
from tests.billing.pricing import bill, card, fee
from tests.oracle.book import Question, differs, equal
from tests.oracle.time import days, part_of, with_tax

ONE_EACH = Credits("credit", Decimal(1), Decimal(1))


def grant(key: str, remaining: str, *cards: str) -> Grant:
    return Grant(key, key, Decimal(remaining), "credit", cards)


def burn(usage: str, *grants: Grant) -> tuple[tuple[Decimal, ...], Decimal]:
    """Return what is left of the grants, which come in the order of burning, and what is paid for beyond them."""
    rated = bill(card(ONE_EACH), usage={"card": usage}, promotions=grants)
    return tuple(one.remaining - drawn(rated.draws, one.key) for one in grants), rated.total.amount


def drawn(draws: tuple[Draw, ...], key: str) -> Decimal:
    return sum((draw.quantity for draw in draws if draw.grant == key), Decimal(0))


@equal("B1", "200", "431", "231")
def _():
    """At the threshold the usage so far is due; at the end all is, less what was billed."""
    usage = card(Unit(Decimal("0.0002")))
    threshold = bill(usage, usage={"card": "1000000"}).total
    end = bill(fee("31"), usage, usage={"card": "2000000"}).total
    return threshold, end, end - threshold


@equal("K3", "0", "80")
def _():
    left, _beyond = burn("120", grant("soon", "100"), grant("late", "100"))
    return left


@differs(
    "K4",
    published=("0", "50"),
    ours=("0", "100"),
    convention="grants are drawn when a period is closed, by those still in force: a voided one pays for nothing",
)
def _():
    """The grant is void, and with it all that it had: of 100 used, all are paid for."""
    _left, beyond = burn("100")
    return Decimal(0), beyond


@equal("K6", "50")
def _():
    """The grant pays for the whole period in which it becomes effective, what was used before it too."""
    (left,), _beyond = burn("50", grant("new", "100"))
    return left


@equal("K7", "50", "100")
def _():
    left, _beyond = burn("50", grant("daily", "100"), grant("other", "100"))
    return left


def reset(used: str) -> Decimal:
    return bill(card(ONE_EACH, allowance=Decimal(100), rollover=Decimal(50)), usage={"card": used}).carried["card"]


@equal("K8", "50")
def _():
    return reset("10")


@differs(
    "K9",
    published=("40",),
    ours=("0", "10"),
    convention="overage is paid for in its period and never carried: nothing unused is left to roll over",
)
def _():
    return reset("110"), burn("110", grant("all", "100"))[1]


@equal("K10", "4", "3", "3", "5")
def _():
    grants = (grant("restricted", "4", "card"), grant("general", "6"))
    seven, five = (burn(usage, *grants)[0] for usage in ("7", "5"))
    return 4 - seven[0], 6 - seven[1], seven[1], five[1]


@equal("K11", "5", "3", "3", "1")
def _():
    """Rated again with less, the difference of the draws is what returns: from the grant burnt last first."""
    first, second = (burn(usage, grant("soon", "5"), grant("late", "5"))[0] for usage in ("8", "4"))
    return 5 - first[0], 5 - first[1], second[1] - first[1], second[0] - first[0]


@equal("K12", "17.72", "21.28", "17.69", "3.59")
def _():
    """Prepaid credit pays after tax."""
    wallet, found = euros("39"), []
    for net in ("14.29", "14.27"):
        due = with_tax(euros(net), "24")[2]
        wallet -= due
        found += [due, wallet]
    return tuple(found)


def euros(amount: str) -> Money:
    return Money(Decimal(amount), "EUR")


@equal("K13", "100", "200", "50", "1", "1")
def _():
    rates = (("100", "1"), ("100", "2"), ("100", "0.5"), ("10000", "0.0001"), ("0.0001", "10000"))
    prices = [(used, Credits("credit", Decimal(1), Decimal(each))) for used, each in rates]
    return tuple(bill(card(price), usage={"card": used}).total for used, price in prices)


@equal("X2", "193.33", "48.33", "241.66")
def _():
    """Tax is on the line as it was rounded."""
    return with_tax(part_of("200", days("2024-04-02", "2024-05-01"), days("2024-04-01", "2024-05-01")), "25")


@equal("X4", "25.71", "6", "31.71")
def _():
    return with_tax(part_of("29.99", days("2024-04-02", "2024-04-08"), days("2024-04-01", "2024-04-08")), "23.33")


def rounded(amount: str, currency: str) -> Question:
    return lambda: round_half_up(Decimal(amount), currency)


equal("X6-1023.45", "1023")(rounded("1023.45", "JPY"))
equal("X6-1023.5", "1024")(rounded("1023.5", "JPY"))
equal("X6-0.004", "0")(rounded("0.004", "GBP"))
equal("X6-0.005", "0.01")(rounded("0.005", "GBP"))
equal("X6-999999.999", "1000000")(rounded("999999.999", "USD"))
