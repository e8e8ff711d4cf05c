"""Fields of a price's document, read strictly: whatever is wrong is named by its path."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from billing.errors import PriceError
from billing.rating.numbers import decimal_of


@dataclass(frozen=True, slots=True)
class Fields:
    """One table of a document; `path` is what stands before its fields' names, such as `tiers[1].`.

    Every reader raises PriceError naming the field.
    """

    table: Mapping[str, Any]
    path: str = ""

    def error(self, name: str, detail: str) -> PriceError:
        """Return the error of a field, to be raised."""
        return PriceError(f"{self.path}{name}", detail)

    def refuse_unknown(self, *known: str) -> None:
        """Refuse any other field: a misspelt one would be without effect."""
        for name in self.table:
            if name not in known:
                raise self.error(name, f"is unknown; the fields are {', '.join(sorted(known))}")

    def number(self, name: str) -> Decimal:
        """Return a decimal text that is not negative, of at most twelve digits after the point."""
        if name not in self.table:
            raise self.error(name, "is missing")
        try:
            return decimal_of(self.table[name])
        except ValueError as error:
            raise self.error(name, str(error)) from None

    def number_or_none(self, name: str) -> Decimal | None:
        """Return a number, None where the field is missing."""
        return self.number(name) if name in self.table else None

    def text(self, name: str, *, default: str | None = None) -> str:
        """Return a text that is not empty; the default where the field is missing."""
        value = self.table.get(name, default)
        if not isinstance(value, str) or (name in self.table and not value):
            raise self.error(name, "must be a text" if name in self.table else "is missing")
        return value

    def tables(self, name: str) -> Iterator["Fields"]:
        """Yield the tables of a list."""
        found = self.table.get(name)
        if not isinstance(found, Sequence) or isinstance(found, str):
            raise self.error(name, f"must be a list of {name}")
        for index, one in enumerate(found):
            yield self._inner(f"{name}[{index}]", one)

    def inner(self, name: str) -> "Fields":
        """Return a table within this one."""
        if name not in self.table:
            raise self.error(name, "is missing")
        return self._inner(name, self.table[name])

    def values(self, name: str) -> dict[str, tuple[str, ...]]:
        """Return a table whose fields are each a text or a list of texts."""
        fields = self.inner(name)
        return {key: fields.texts(key) for key in fields.table}

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a text, or a list of at least one, as a tuple."""
        value = self.table[name]
        found = [value] if isinstance(value, str) else value
        if not isinstance(found, Sequence) or not found or not all(isinstance(one, str) and one for one in found):
            raise self.error(name, "must be a text or a list of texts, none empty")
        return tuple(found)

    def _inner(self, name: str, found: object) -> "Fields":
        if not isinstance(found, Mapping):
            raise self.error(name, "must be a table")
        return Fields(found, f"{self.path}{name}.")
