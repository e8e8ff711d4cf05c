"""Entries of the draft form: every input is named by its place in the plan's document, such as `rate_cards[0].key`."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from django.core.exceptions import SuspiciousOperation

MAX_ROWS: Final = 200
_STEP: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_-]*)((?:\[\d{1,4}\])*)\Z")
_PAIR: Final = re.compile(r"\s*([A-Za-z0-9_]+)\s*=\s*(.+?)\s*\Z", re.DOTALL)

Place = tuple[str | int, ...]
Tree = dict[str, Any]


def place_of(name: str) -> Place:
    """Return the steps of a name: `a[0].b` is a, 0, b. Raises SuspiciousOperation for what no input is named."""
    steps: list[str | int] = []
    for part in name.split("."):
        match = _STEP.match(part)
        if match is None:
            raise SuspiciousOperation(f"{name!r} is no place in a plan's document")
        steps += [match[1], *(int(digits) for digits in re.findall(r"\d+", match[2]))]
    return tuple(steps)


def nest(entries: Mapping[str, str]) -> Tree:
    """Return flat entries as tables and lists. Lists keep their order; rows that were taken out leave no gap.

    Raises SuspiciousOperation for names that do not fit together, and for more than `MAX_ROWS` rows of a list.
    """
    tree: Tree = {}
    for name, value in entries.items():
        _put(tree, place_of(name), value)
    closed = _close(tree)
    assert isinstance(closed, dict)  # noqa: S101 a name begins with a text, so the outermost is a table
    return closed


def flatten(tree: Any, name: str = "") -> Iterator[tuple[str, str]]:  # noqa: ANN401 a document holds anything
    """Yield the entries of a document: a name and a text for each leaf."""
    match tree:
        case dict():
            for key, inner in tree.items():
                yield from flatten(inner, f"{name}.{key}" if name else key)
        case list():
            for index, inner in enumerate(tree):
                yield from flatten(inner, f"{name}[{index}]")
        case _:
            yield name, str(tree)


def find(tree: Tree, name: str) -> Any:  # noqa: ANN401 a document holds anything
    """Return what stands at a place, None where nothing does."""
    found: Any = tree
    for step in place_of(name):
        if isinstance(step, int):
            found = found[step] if isinstance(found, list) and step < len(found) else None
        else:
            found = found.get(step) if isinstance(found, dict) else None
    return found


def add_row(tree: Tree, name: str) -> None:
    """Add an empty row to the list at a place, which is made where it is missing."""
    *outer, last = place_of(name)
    holder: Any = tree
    for step in outer:
        holder = holder[step] if isinstance(step, int) else holder.setdefault(step, {})
    holder.setdefault(last, []).append({})


def remove_row(tree: Tree, name: str) -> None:
    """Take a row out of its list, where it is there."""
    *outer, last = place_of(name)
    holder: Any = tree
    for step in outer:
        holder = holder[step] if isinstance(step, int) else holder.get(step, {})
    if isinstance(holder, list) and isinstance(last, int) and last < len(holder):
        del holder[last]


def match_of(text: str) -> dict[str, list[str]]:
    """Read `hardware_class = gpu, npu; model_name = nano` as dimensions and their values.

    Raises ValueError saying what is wrong.
    """
    found: dict[str, list[str]] = {}
    for part in filter(str.strip, text.split(";")):
        pair = _PAIR.match(part)
        if pair is None:
            raise ValueError(f"{part.strip()!r} is not written as dimension = value, value")
        found[pair[1]] = [value.strip() for value in pair[2].split(",")]
    return found


def text_of_match(match: Mapping[str, Any]) -> str:
    """Write dimensions and their values as `match_of` reads them."""
    texts = ((name, [values] if isinstance(values, str) else values) for name, values in match.items())
    return "; ".join(f"{name} = {', '.join(values)}" for name, values in texts)


def _put(tree: Tree, place: Place, value: str) -> None:
    """Set one leaf; rows are held in tables by their numbers until all are known."""
    holder: Any = tree
    for step in place[:-1]:
        holder = holder.setdefault(step, {})
        if not isinstance(holder, dict):
            raise SuspiciousOperation("a place in the form is both a text and a table")
    holder[place[-1]] = value


def _close(tree: Any) -> Any:  # noqa: ANN401 a document holds anything
    if not isinstance(tree, dict):
        return tree
    if tree and all(isinstance(key, int) for key in tree):
        if len(tree) > MAX_ROWS:
            raise SuspiciousOperation(f"a list has more than {MAX_ROWS} rows")
        return [_close(tree[key]) for key in sorted(tree)]
    return {str(key): _close(inner) for key, inner in tree.items()}
