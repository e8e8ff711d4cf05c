"""Decodes Stripe's form encoding: `lines[0][period][start]=1` becomes nested mappings of text.

Lists stay mappings with the keys "0", "1", ... because only the schema can tell a list from
metadata whose keys happen to be digits; billing.stripe.sandbox.validation decides.
"""

import re
from typing import TypeAlias
from urllib.parse import parse_qsl

from billing.stripe.sandbox.errors import InvalidParameterError

Form: TypeAlias = dict[str, "Raw"]
Raw: TypeAlias = "str | Form"

MAX_FIELDS = 20_000
"""250 lines with the 50 metadata keys that Stripe allows stay below this."""
MAX_DEPTH = 8

_KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_SEGMENT = re.compile(r"\[([^\[\]]*)\]")


def decode(*, text: str) -> Form:
    """The nested form of a query string or body. Raises InvalidParameterError naming the key."""
    form: Form = {}
    for key, value in _split(text):
        _place(form, _segments(key), value, key)
    return form


def _split(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            text, keep_blank_values=True, strict_parsing=bool(text), errors="strict", max_num_fields=MAX_FIELDS
        )
    except ValueError as error:
        raise InvalidParameterError(f"Invalid form encoding: {error}") from error


def _segments(key: str) -> list[str]:
    match = _KEY.fullmatch(key)
    if match is None:
        raise InvalidParameterError(f"Invalid parameter name: {key}", param=key)
    segments = [match[1], *_SEGMENT.findall(match[2])]
    if len(segments) > MAX_DEPTH:
        raise InvalidParameterError(f"Parameter is nested too deeply: {key}", param=key)
    return segments


def _place(form: Form, segments: list[str], value: str, key: str) -> None:
    node = form
    for segment in segments[:-1]:
        child = node.setdefault(segment or str(len(node)), {})
        if isinstance(child, str):
            raise InvalidParameterError(f"Parameter is both a value and an object: {key}", param=key)
        node = child
    last = segments[-1] or str(len(node))
    if last in node:
        raise InvalidParameterError(f"Parameter was sent twice: {key}", param=key)
    node[last] = value
