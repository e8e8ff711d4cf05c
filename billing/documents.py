"""Tables of a plan's document, read strictly: whatever is wrong is named by its path, such as `rate_cards[1].unit`."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from billing.errors import PlanDocumentError
from billing.rating.numbers import decimal_of

QUANTITY_DIGITS: Final = 9  # after the point, in the columns of quantities
_KEY: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\Z")
_LONGEST: Final[Mapping[str, int]] = MappingProxyType({"description": 10_000, "unit": 40, "tax_category": 32})
_LONGEST_OTHER: Final = 100


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a document; `path` is what stands before its fields' names, such as `rate_cards[1].`.

    Every reader raises PlanDocumentError naming the field.
    """

    fields: Mapping[str, Any]
    path: str = ""

    def __contains__(self, name: str) -> bool:
        return name in self.fields

    def error(self, name: str, detail: str) -> PlanDocumentError:
        """Return the error of a field, to be raised."""
        return PlanDocumentError(f"{self.path}{name}", detail)

    def refuse_unknown(self, known: Collection[str]) -> None:
        """Refuse any other field: a misspelt one would be without effect."""
        for name in self.fields:
            if name not in known:
                raise self.error(name, f"is unknown; the fields are {', '.join(sorted(known))}")

    def text(self, name: str, *, default: str | None = None) -> str:
        """Return a text that is not empty, unless the default is."""
        value = self.fields.get(name, default)
        if not isinstance(value, str) or (not value and default is None):
            raise self.error(name, "must be a text" if name in self else "is missing")
        if len(value) > (longest := _LONGEST.get(name, _LONGEST_OTHER)):
            raise self.error(name, f"must have at most {longest} characters")
        return value

    def key(self, name: str, *, default: str | None = None) -> str:
        """Return a text that can be the key of a row."""
        value = self.text(name, default=default)
        if value and not _KEY.match(value):
            raise self.error(name, f"{value!r} is not lower-case letters, digits, - and _")
        return value

    def whole(self, name: str) -> int:
        """Return a whole number from 1."""
        value = self.fields.get(name)
        if type(value) is not int or value < 1:
            raise self.error(name, "must be a whole number from 1")
        return int(value)

    def flag(self, name: str, *, default: bool) -> bool:
        """Return true or false."""
        value = self.fields.get(name, default)
        if not isinstance(value, bool):
            raise self.error(name, "must be true or false")
        return value

    def choice(self, name: str, known: Collection[str], *, default: str) -> str:
        """Return one of the texts known, or the default."""
        value = self.fields.get(name, default)
        if value != default and value not in list(known):
            raise self.error(name, f"{value!r} is not one of {', '.join(sorted(known))}")
        return str(value)

    def decimal(self, name: str, default: Decimal, *, digits: int = QUANTITY_DIGITS) -> Decimal:
        """Return a decimal text; above 0 where the default is."""
        if name not in self:
            return default
        try:
            value = decimal_of(self.fields[name], digits=digits)
        except ValueError as error:
            raise self.error(name, str(error)) from None
        if not value and default:
            raise self.error(name, "must be above 0")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of texts with at least one, as a tuple."""
        values = self.fields[name]
        if not isinstance(values, list | tuple) or not values or not all(isinstance(one, str) for one in values):
            raise self.error(name, "must be a list of texts with at least one")
        return tuple(values)

    def table(self, name: str) -> "Table":
        """Return a table within this one; an empty one where it is missing."""
        return self._inner(name, self.fields.get(name, {}))

    def tables(self, name: str) -> Iterator["Table"]:
        """Yield the tables of a list; none where it is missing."""
        found = self.fields.get(name, [])
        if not isinstance(found, Sequence) or isinstance(found, str):
            raise self.error(name, "must be a list of tables")
        for index, one in enumerate(found):
            yield self._inner(f"{name}[{index}]", one)

    def _inner(self, name: str, found: object) -> "Table":
        if not isinstance(found, Mapping):
            raise self.error(name, "must be a table")
        return Table(found, f"{self.path}{name}.")


def refuse_repeated(tables: Sequence[Table], keys: Sequence[str]) -> None:
    """Raise PlanDocumentError naming the table whose key an earlier one has."""
    for at, key in enumerate(keys):
        if key in keys[:at]:
            raise tables[at].error("key", f"{key!r} is used before")
