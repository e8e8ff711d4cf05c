"""What the draft form shows: inputs by their place in the document, their values, and what is wrong with them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from billing.admin.pricing import documents
from billing.admin.pricing.documents import KINDS, NUMBERS, SCALARS, TIERS
from billing.admin.pricing.entries import Tree, find
from billing.errors import PlanDocumentError, PriceError
from billing.models.catalog import Billed, Interval, UnitRounding

Choices = Sequence[tuple[str, str]]

LABELS: Final[Mapping[str, str]] = {
    "up_to": "Up to and including",
    "above": "Above",
    "unit": "Each",
    "flat": "On entering",
    "amount": "Amount",
    "size": "Package of",
    "percent": "Percent",
    "fixed": "Fixed, for each transaction",
    "minimum": "Least, for each transaction",
    "maximum": "Most, for each transaction",
    "transaction": "Dimension that names a transaction",
    "currency": "Name of the credits",
    "credits": "Credits for each unit",
}
_SPOKEN: Final = re.compile(r"(rate_cards|tiers|rows|zero_rates)\[(\d+)\]")
_WORDS: Final = {"rate_cards": "rate card", "tiers": "tier", "rows": "row", "zero_rates": "zero-rating"}


@dataclass(frozen=True, slots=True)
class Fault:
    """The field of the document that was refused, and why."""

    place: str = ""
    detail: str = ""

    @classmethod
    def of(cls, error: PlanDocumentError | PriceError) -> "Fault":
        """Return the fault that an error names."""
        return cls(error.field, error.detail)

    def at(self, name: str) -> str:
        """Return what is wrong with an input: the field itself, or something written in it."""
        inside = self.place.startswith((f"{name}.", f"{name}["))
        return self.detail if name and (self.place == name or inside) else ""

    @property
    def text(self) -> str:
        """Which row is meant, counting from one as people do, and what is wrong with it."""
        place = _SPOKEN.sub(lambda match: f"{_WORDS[match[1]]} {int(match[2]) + 1}", self.place)
        return f"{place.replace('.', ', ')}: {self.detail}" if place else self.detail


@dataclass(frozen=True, slots=True)
class Input:
    """One input of the form."""

    name: str
    label: str
    value: str
    error: str = ""
    choices: Choices = ()
    help: str = ""
    control: str = "text"

    @property
    def id(self) -> str:
        """Its id in the page, by which its label and its error are tied to it."""
        return re.sub(r"[^A-Za-z0-9]+", "-", self.name).strip("-")


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table of inputs; `price` is the price of what the row matches."""

    name: str
    inputs: tuple[Input, ...]
    price: "PriceForm | None" = None


@dataclass(frozen=True, slots=True)
class PriceForm:
    """The inputs of one price: those of its kind. `inner` is the price of a capacity, or the default of a matrix."""

    name: str
    kind: Input
    inputs: tuple[Input, ...] = ()
    tiers: tuple[Row, ...] = ()
    rows: tuple[Row, ...] = ()
    inner: "PriceForm | None" = None
    error: str = ""

    @property
    def has_tiers(self) -> bool:
        """Whether its kind has a table of tiers."""
        return self.kind.value in TIERS

    @property
    def has_rows(self) -> bool:
        """Whether its kind has a table of what usage it matches."""
        return self.kind.value in {"matrix", "credits"}


@dataclass(frozen=True, slots=True)
class CardForm:
    """The inputs of one rate card, by what they are about."""

    name: str
    number: int
    title: str
    naming: tuple[Input, ...]
    counting: tuple[Input, ...]
    billing: tuple[Input, ...]
    zero_rates: tuple[Row, ...]
    prices: tuple[tuple[str, PriceForm], ...]
    quantities: Input


@dataclass(frozen=True, slots=True)
class DraftForm:
    """The whole form, built from what it holds; meters are those known, by key."""

    tree: Tree
    meters: Mapping[str, str]
    fault: Fault = field(default=Fault())

    @property
    def head(self) -> tuple[Input, ...]:
        """The inputs of the version itself."""
        return (
            self._text("plan", "Plan", help="Key of the plan: lower-case letters, digits, - and _."),
            self._text("name", "Name"),
            self._text("currencies", "Currencies", help="As in EUR, USD: each rate card has a price in each."),
            self._select("interval", "Billed every", Interval.choices),
            self._text("description", "Description", control="area"),
            *self._amounts("", "of an invoice"),
        )

    @property
    def further(self) -> Input:
        """The rules that are written as in a plan's file."""
        return self._text("further", "Pools, discounts, phases", control="area", help="As in a plan's file (TOML).")

    @property
    def cards(self) -> tuple[CardForm, ...]:
        """The rate cards in order."""
        return tuple(self._card(at) for at in range(len(self._rows("rate_cards"))))

    @property
    def currencies(self) -> list[str]:
        """The currencies that each rate card has a price in."""
        return documents.currencies_of(self.tree) or [""]

    def _card(self, at: int) -> CardForm:
        name = f"rate_cards[{at}]"
        return CardForm(
            name=name,
            number=at + 1,
            title=str(find(self.tree, f"{name}.name") or ""),
            naming=(
                self._text(f"{name}.key", "Key"),
                self._text(f"{name}.name", "Name on the invoice"),
                self._text(f"{name}.unit", "Unit", help="One of it, as in decision."),
                self._select(f"{name}.meter", "Meter", [("", "none: a fixed fee"), *self.meters.items()]),
            ),
            counting=self._counting(name),
            billing=self._billing(name),
            zero_rates=tuple(self._zero_rate(row) for row in self._rows(f"{name}.zero_rates")),
            prices=tuple((code, self._price(f"{name}.prices.{code}", KINDS)) for code in self.currencies if code),
            quantities=self._text(f"{name}.quantities", "Quantities to try", help="As in 10, 100, 1000."),
        )

    def _counting(self, name: str) -> tuple[Input, ...]:
        return (
            self._text(f"{name}.filters", "Only usage with", help="As in hardware_class = gpu, npu; agent = a."),
            self._text(f"{name}.divide_by", "Divide by", help="1000 to charge for thousands."),
            self._select(f"{name}.rounding", "Round units", UnitRounding.choices),
            self._text(f"{name}.allowance", "Units included"),
            self._text(f"{name}.rollover", "Unused units carried over, at most"),
            self._flag(f"{name}.per_period", "Average over the period, as seats are"),
        )

    def _billing(self, name: str) -> tuple[Input, ...]:
        return (
            self._select(f"{name}.billed", "Billed in", Billed.choices),
            self._select(f"{name}.interval", "Every", [("", "as the plan"), *Interval.choices]),
            self._text(f"{name}.tax_category", "Tax category"),
            self._flag(f"{name}.whole", "A fixed fee is due whole for part of a period"),
            *self._amounts(f"{name}.", "of this card"),
        )

    def _amounts(self, path: str, of: str) -> Iterable[Input]:
        for word, name in (("Least", "minimum"), ("Most", "maximum")):
            for code in filter(None, self.currencies):
                yield self._text(f"{path}{name}.{code}", f"{word} {of}, {code}")

    def _zero_rate(self, name: str) -> Row:
        names = (("key", "Key"), ("name", "Name on the invoice"), ("filters", "Usage that costs nothing"))
        return Row(name, tuple(self._text(f"{name}.{key}", label) for key, label in names))

    def _price(self, name: str, kinds: Sequence[str]) -> PriceForm:
        kind = self._select(f"{name}.kind", "Price", [("", "choose"), *((one, one.replace("_", " ")) for one in kinds)])
        inner = {"capacity": "price", "matrix": "default"}.get(kind.value)
        return PriceForm(
            name=name,
            kind=kind,
            inputs=self._named(name, NUMBERS.get(kind.value, ())),
            tiers=tuple(Row(row, self._named(row, TIERS[kind.value])) for row in self._rows(f"{name}.tiers"))
            if kind.value in TIERS
            else (),
            rows=tuple(self._matched(row, kind.value) for row in self._rows(f"{name}.rows")),
            inner=self._price(f"{name}.{inner}", SCALARS) if inner else None,
            error=self.fault.detail if self.fault.place in {name, f"{name}.tiers", f"{name}.rows"} else "",
        )

    def _matched(self, name: str, kind: str) -> Row:
        match = self._text(f"{name}.match", "Usage with", help="As in hardware_class = gpu, npu; agent = a.")
        if kind == "credits":
            return Row(name, (match, *self._named(name, ("credits",))))
        return Row(name, (match,), self._price(f"{name}.price", SCALARS))

    def _named(self, name: str, fields: Iterable[str]) -> tuple[Input, ...]:
        return tuple(self._text(f"{name}.{one}", LABELS[one]) for one in fields)

    def _rows(self, name: str) -> list[str]:
        rows = find(self.tree, name)
        return [f"{name}[{at}]" for at in range(len(rows))] if isinstance(rows, list) else []

    def _text(self, name: str, label: str, **more: Any) -> Input:  # noqa: ANN401 passes on what an input has
        value = find(self.tree, name)
        return Input(name, label, str(value) if value is not None else "", self.fault.at(name), **more)

    def _select(self, name: str, label: str, choices: Iterable[tuple[str, Any]]) -> Input:
        shown = [(str(value), str(text)) for value, text in choices]
        return self._text(name, label, choices=shown, control="select")

    def _flag(self, name: str, label: str) -> Input:
        return self._text(name, label, control="flag")
