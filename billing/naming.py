"""Naming: the keys under which a cycle is rated, where one rate card may be agreed on more than once."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import count
from typing import Final

from billing.dues import Due
from billing.rating.lines import RatedPeriod

_AGAIN: Final = "~"  # tells two agreements on one rate card apart within a cycle; no key has it


def named(*, found: Iterable[Due]) -> Iterator[tuple[str, Due]]:
    """Yield each due under a key of its own: the rate card's, marked where its terms changed within the cycle."""
    taken: set[str] = set()
    for due in found:
        key = due.run.planned.card.key
        names = (key if number == 1 else marked(key=key, mark=str(number)) for number in count(1))
        name = next(name for name in names if name not in taken)
        taken.add(name)
        yield name, due


def marked(*, key: str, mark: str) -> str:
    """Return a rate card's key, marked as another agreement on it, such as one of which time is given back."""
    return f"{key}{_AGAIN}{mark}"


def plain_key(*, name: str) -> str:
    """Return a rate card's own key, without what tells its agreements within a cycle apart."""
    return name.partition(_AGAIN)[0]


def in_plain_keys(*, rated: RatedPeriod) -> RatedPeriod:
    """Return what was rated under the rate cards' own keys; of what is carried, that of the terms which hold last."""
    return replace(
        rated,
        lines=tuple(replace(line, card=plain_key(name=line.card)) for line in rated.lines),
        draws=tuple(replace(draw, card=plain_key(name=draw.card)) for draw in rated.draws),
        carried={plain_key(name=key): quantity for key, quantity in rated.carried.items()},
    )
