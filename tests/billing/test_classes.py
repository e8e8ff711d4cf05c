"""Classes of usage: a matrix and a rate card in credits, against an oracle that looks at each event by itself."""

from decimal import Decimal

from hypothesis import assume, given
from hypothesis import strategies as st

from billing.errors import PriceError
from billing.rating.kinds import CreditRow, Credits, Matrix, MatrixRow, Unit
from tests.billing.pricing import amounts, bill, card, grouped

DIMENSIONS = ("hardware_class", "model", "quantization")
values = st.sampled_from("abc")
some_values = st.lists(values, min_size=1, max_size=2, unique=True).map(tuple)
matches = st.dictionaries(st.sampled_from(DIMENSIONS), some_values, min_size=1)
tables = st.lists(st.tuples(matches, amounts), max_size=5)
groups = st.fixed_dictionaries({name: st.one_of(st.none(), values) for name in DIMENSIONS})
events = st.lists(st.tuples(st.decimals(0, 100, places=3).map(str), groups), max_size=8)


def amount_for(group, rows, default):
    """A naive oracle: of all rows that match this one event, the only one that names the most dimensions."""
    matching = [
        (match, amount)
        for match, amount in rows
        if all(group[name] is not None and group[name] in allowed for name, allowed in match.items())
    ]
    if not matching:
        return default
    most = max(len(match) for match, _ in matching)
    (amount,) = [amount for match, amount in matching if len(match) == most]
    return amount


def exact(rated):
    return sum((row.amount for row in rated.lines[0].rows if row.amount is not None), Decimal(0))


@given(tables, amounts, events)
def test_each_event_costs_what_its_own_row_says(rows, default, found):
    try:
        price = Matrix(tuple(MatrixRow(match, Unit(amount)) for match, amount in rows), Unit(default))
    except PriceError:
        assume(False)
    expected = sum((Decimal(number) * amount_for(group, rows, default) for number, group in found), Decimal(0))
    rated = bill(card(price), usage={"card": grouped(*found)})
    assert exact(rated) == expected
    assert rated.lines[0].quantity == sum((Decimal(number) for number, _ in found), Decimal(0))


@given(tables, amounts, amounts, events, st.decimals(0, 500, places=3))
def test_each_event_takes_the_credits_of_its_own_row_and_those_beyond_the_allowance_are_paid(
    rows, default, amount, found, allowance
):
    try:
        price = Credits("credit", default, amount, tuple(CreditRow(match, each) for match, each in rows))
    except PriceError:
        assume(False)
    taken = sum((Decimal(number) * amount_for(group, rows, default) for number, group in found), Decimal(0))
    rated = bill(card(price, allowance=allowance), usage={"card": grouped(*found)})
    assert exact(rated) == max(taken - allowance, Decimal(0)) * amount


@given(tables, amounts)
def test_a_table_in_which_some_event_would_have_two_rows_is_refused(rows, default):
    every = [dict(zip(DIMENSIONS, (a, b, c), strict=True)) for a in "abc" for b in "abc" for c in "abc"]

    def is_ambiguous(group):
        matching = [match for match, _ in rows if all(group[name] in allowed for name, allowed in match.items())]
        most = max(map(len, matching), default=0)
        return sum(1 for match in matching if len(match) == most) > 1

    try:
        Matrix(tuple(MatrixRow(match, Unit(amount)) for match, amount in rows), Unit(default))
        was_refused = False
    except PriceError:
        was_refused = True
    if any(map(is_ambiguous, every)):
        assert was_refused
