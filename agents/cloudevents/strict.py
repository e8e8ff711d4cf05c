"""Reads JSON so that nothing is lost on the way: no digit of a number, no second value of a name.

msgspec reads what is plain, which is nearly everything, about ten times as fast as the standard library. What it
refuses, or what may hold a name twice, is read again by the standard library, which tells which event is at fault.
"""

import json
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NoReturn

import msgspec

from agents.errors import MalformedRequestError

LARGEST: Final = 2**63 - 1  # what a bigint column and every common JSON reader hold exactly
CANONICAL: Final = msgspec.json.Encoder(order="sorted")  # writes what runtime.wire.canonical writes, much faster
_WIDEST: Final = 40  # digits before or after the point of a number that is still read as one
_COLONS_APART: Final = (b" :", b"\t:", b"\n:", b"\r:")


@dataclass(frozen=True, slots=True)
class Number:
    """A JSON number that is no whole number, as it was written: a float would already be another number."""

    text: str

    def __str__(self) -> str:
        return self.text

    def plain(self) -> str | None:
        """Return it as decimal text, digit for digit; None where no exact quantity can be that, such as 1e400."""
        if len(self.text) <= _WIDEST and "e" not in self.text and "E" not in self.text:
            return self.text
        try:
            number = Decimal(self.text)
        except InvalidOperation:
            return None
        return format(number, "f") if abs(number.adjusted()) < _WIDEST else None


class Ambiguous(dict[str, Any]):
    """A JSON object in which a name stands twice, so that two readers may read two things; `name` is one of those."""

    name: str = ""


def read(body: bytes) -> Any:  # noqa: ANN401 whatever JSON holds
    """Return what the body says. Raises MalformedRequestError unless it is JSON.

    A `Number` with a fraction or an exponent and an `Ambiguous` object are for the caller to judge, event by event.
    """
    try:
        document = _DECODER.decode(body)
        if has_single_names(body, _count_names(document)):
            return document
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass  # the standard library says what is wrong
    return _read_slowly(body)


def _read_slowly(body: bytes) -> Any:  # noqa: ANN401 whatever JSON holds
    try:
        return json.loads(
            body.decode(),
            parse_float=Number,
            parse_int=_whole,
            parse_constant=_refuse_constant,
            object_pairs_hook=_object,
        )
    except (ValueError, RecursionError) as error:
        raise MalformedRequestError(f"The body is not JSON: {error}") from error


def has_single_names(body: bytes, kept: int) -> bool:
    """Say whether no name can stand twice: as many names were kept as there are places where one may end.

    A colon after a quote may also stand inside a text; then this says False and the body is read again, slowly.
    """
    return body.count(b'":') == kept and not any(apart in body for apart in _COLONS_APART)


def _count_names(value: Any) -> int:  # noqa: ANN401 whatever JSON holds
    if type(value) is dict:
        return len(value) + sum([_count_names(one) for one in value.values() if type(one) in _NESTED])
    return sum([_count_names(one) for one in value if type(one) in _NESTED]) if type(value) is list else 0


def _whole(text: str) -> int | Number:
    return int(text) if len(text) <= _WIDEST else Number(text)


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a JSON number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    seen: set[str] = set()
    ambiguous = Ambiguous(found)
    ambiguous.name = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value] # set.add returns None, which is what makes this a search
    return ambiguous


_NESTED: Final = frozenset({dict, list})
_DECODER: Final = msgspec.json.Decoder(float_hook=Number)
