"""The book of scenarios: what is published, and what ours is, with the convention where they differ."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from billing.money import Money
from billing.rating.cost import cost

PUBLISHED = Path(__file__).parent / "scenarios.json"
Answer = Decimal | Fraction | Money | int | str
Question = Callable[[], Answer | tuple[Answer, ...]]


@dataclass(frozen=True)
class Scenario:
    """One published scenario. `published` and `ours` are the same amounts unless `convention` says why not."""

    id: str
    ask: Question
    published: tuple[str, ...]
    ours: tuple[str, ...]
    convention: str = ""

    def answer(self) -> tuple[str, ...]:
        """Ask our rating, and return its amounts as texts."""
        found = self.ask()
        return tuple(text(one) for one in (found if isinstance(found, tuple) else (found,)))


BOOK: list[Scenario] = []


def equal(id_: str, *amounts: str) -> Callable[[Question], Question]:
    """Enter a scenario whose published amounts are ours."""

    def enter(ask: Question) -> Question:
        BOOK.append(Scenario(id_, ask, amounts, amounts))
        return ask

    return enter


def differs(
    id_: str, *, published: tuple[str, ...], ours: tuple[str, ...], convention: str
) -> Callable[[Question], Question]:
    """Enter a scenario that our convention answers differently, and say which convention that is."""

    def enter(ask: Question) -> Question:
        BOOK.append(Scenario(id_, ask, published, ours, convention))
        return ask

    return enter


def costs(price: Any, amounts: Mapping[str, tuple[str, str]]) -> None:
    """Enter scenarios that ask what a quantity costs: by id, the quantity and the amount."""
    for id_, (quantity, amount) in amounts.items():
        equal(id_, amount)(_cost(price, quantity))


def _cost(price: Any, quantity: str) -> Question:
    return lambda: cost(price, Fraction(quantity))


def text(answer: Answer) -> str:
    """Return an amount as a plain number, so that 3.0 and 3 are one; other answers as they are."""
    if isinstance(answer, str):
        return answer
    value = Fraction(answer.amount if isinstance(answer, Money) else answer)
    plain = f"{Decimal(value.numerator) / Decimal(value.denominator):.12f}".rstrip("0").rstrip(".")
    return "0" if plain == "-0" else plain


def published() -> list[dict[str, str]]:
    """Return the scenarios as they were collected."""
    found: list[dict[str, str]] = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    return found


def numbers_in(expected: str) -> set[str]:
    """Return the numbers that a published expectation names, without signs and separators."""
    return {text(Decimal(number)) for number in re.findall(r"\d+(?:\.\d+)?", expected.replace(",", ""))}


def count(rows: Iterable[Scenario]) -> dict[str, tuple[int, int]]:
    """Return by group how many scenarios are equal and how many differ."""
    groups = {row["id"]: row["group"] for row in published()}
    counts: dict[str, tuple[int, int]] = {}
    for scenario in rows:
        equals, others = counts.get(groups[scenario.id], (0, 0))
        counts[groups[scenario.id]] = (equals, others + 1) if scenario.convention else (equals + 1, others)
    return counts
