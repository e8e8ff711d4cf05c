"""The report: what was checked, and everything that is wrong, each named by where it is."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

MOST: Final = 100  # of one kind that are listed; the others are counted


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it must be: what kind of thing, which one, and how."""

    kind: str
    where: str
    detail: str


@dataclass(slots=True)
class Report:
    """What a bundle was found to be. `facts` are counts and names for a reader; `remarks` are no faults."""

    facts: dict[str, Any] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    unlisted: dict[str, int] = field(default_factory=dict)

    @property
    def is_proved(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    def find(self, kind: str, where: str, detail: str) -> None:
        """Note something that is wrong."""
        if sum(one.kind == kind for one in self.findings) < MOST:
            self.findings.append(Finding(kind, where, detail))
        else:
            self.unlisted[kind] = self.unlisted.get(kind, 0) + 1

    def to_document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "proved": self.is_proved,
            "facts": self.facts,
            "remarks": self.remarks,
            "findings": [{"kind": one.kind, "where": one.where, "detail": one.detail} for one in self.findings],
            "unlisted": self.unlisted,
        }

    def lines(self) -> Iterator[str]:
        """Yield it as lines to read."""
        yield "PROVED" if self.is_proved else "NOT PROVED"
        yield from (f"  {name}: {value}" for name, value in self.facts.items() if not isinstance(value, list | dict))
        for name, found in self.facts.items():
            if isinstance(found, dict):
                yield from (f"  {name} {key}: {value}" for key, value in found.items())
        yield from (f"  note: {one}" for one in self.remarks)
        yield from (f"  WRONG {one.kind} {one.where}: {one.detail}" for one in self.findings)
        yield from (f"  WRONG {kind}: {number} more" for kind, number in self.unlisted.items())
