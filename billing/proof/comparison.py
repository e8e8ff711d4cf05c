"""Comparison: the lines and sums that were worked out, against those of the invoice, to the byte."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import zip_longest
from typing import Any

from billing.proof import terms
from billing.proof.errors import BundleError
from billing.proof.report import Report
from billing.proof.terms import Basis
from billing.rating.lines import Line, RatedPeriod
from billing.rating.numbers import text_of
from runtime.wire import canonical

Rated = Sequence[tuple[Basis, RatedPeriod]]


def compare(invoice: Mapping[str, Any], parts: Rated, report: Report) -> None:
    """Compare every line, every sum, and in the end the whole text; `parts` are more than one where it was merged."""
    lines = list(_lines(parts))
    for place, (ours, theirs) in enumerate(zip_longest(lines, invoice.get("lines", [])), start=1):
        if ours != theirs:
            report.find("line", str(place), _difference(ours, theirs))
    worked = {**invoice, **_sums(parts), **_bounds(invoice, parts), "lines": lines}
    for name, value in worked.items():
        if name != "lines" and invoice.get(name) != value:
            report.find("invoice", name, f"it says {invoice.get(name)}, and {value} was worked out")
    if report.is_proved and canonical(worked) != canonical(dict(invoice)):
        report.find("invoice", "text", "it is not, to the byte, what was worked out")
    report.facts |= {"lines": len(lines), "total": f"{worked['total']} {worked['currency']}"}


def _lines(parts: Rated) -> Iterator[dict[str, Any]]:
    """Yield what the invoice's canonical text must say of each line, numbered through."""
    contents = (content for basis, rated in parts for content in _contents(basis, rated))
    for place, content in enumerate(contents, start=1):
        yield {**content, "position": place}


def _contents(basis: Basis, rated: RatedPeriod) -> Iterator[Mapping[str, Any]]:
    yield from (_content(line, basis) for line in rated.lines)
    yield from basis.given


def _content(line: Line, basis: Basis) -> dict[str, Any]:
    rate_card, digest = terms.reference(basis, line)
    return {
        "kind": str(line.kind),
        "rate_card": rate_card,
        "source": line.source,
        "terms": digest,
        "description": line.description,
        "meter": line.meter,
        "quantity": text_of(line.quantity),
        "unit": line.unit,
        "amount": text_of(line.amount.amount),
        "starts_at": _instant(line.starts_at),
        "ends_at": _instant(line.ends_at),
        "detail": line.detail(),
    }


def _sums(parts: Rated) -> dict[str, str]:
    subtotal = sum((rated.subtotal.amount for _, rated in parts), Decimal(0))
    tax = sum((rated.tax.amount for _, rated in parts), Decimal(0))
    tax += sum((Decimal(one["amount"]) for basis, _ in parts for one in basis.given), Decimal(0))
    carried = max(-(subtotal + tax), Decimal(0))
    sums = {"subtotal": subtotal, "tax": tax, "carried": carried, "total": subtotal + tax + carried}
    return {name: text_of(amount) for name, amount in sums.items()}


def _bounds(invoice: Mapping[str, Any], parts: Rated) -> dict[str, Any]:
    """Return the currency, the fold and the time of an invoice; of a merged one, those of its parts."""
    stated = invoice.get("parts")
    if not isinstance(stated, list):
        basis, _ = parts[0]
        return _bounds_of(basis) | {"currency": basis.currency}
    if len(stated) != len(parts):
        raise BundleError(f"invoice.json: it has {len(stated)} parts, the terms have {len(parts)}")
    first, found = 1, []
    for (basis, rated), one in zip(parts, stated, strict=True):
        places = list(range(first, first + len(rated.lines) + len(basis.given)))
        found.append({**one, **_bounds_of(basis), "lines": places})
        first += len(places)
    return {"currency": parts[0][0].currency, "parts": found}


def _bounds_of(basis: Basis) -> dict[str, Any]:
    starts_at, ends_at = _instant(basis.period.starts_at), _instant(basis.period.ends_at)
    return {"fold": basis.fold, "starts_at": starts_at, "ends_at": ends_at}


def _difference(ours: Mapping[str, Any] | None, theirs: Any) -> str:  # noqa: ANN401
    if ours is None:
        return f"{theirs!r}: nothing makes this line"
    if not isinstance(theirs, dict):
        return f"{ours['description']}: is missing on the invoice"
    names = [name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)]
    told = (f"{name} is {theirs.get(name)!r}, and {ours.get(name)!r} was worked out" for name in sorted(names))
    return f"{ours['description']}: {'; '.join(told)}"


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
