"""The one JSON text of a value, over which both sides hash and sign."""

import json

from runtime.wire.errors import CanonicalError, FloatOnWireError

_LARGEST_INTEGER = 2**63 - 1  # what a bigint column and every common JSON reader hold exactly
_DEEPEST = 32


def canonical(value: object) -> bytes:
    """Return the one JSON text of a value: sorted keys, no spaces, UTF-8.

    Raises FloatOnWireError for a float and CanonicalError for anything else without a canonical form (a key that is
    not text, an integer beyond 64 bits, a lone surrogate, an unknown type), naming the path as a JSON pointer.
    """
    _check_value(value=value, path="", depth=0)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _check_value(*, value: object, path: str, depth: int) -> None:
    if isinstance(value, float):
        raise FloatOnWireError(f"{path or '/'}: {value!r} is a float; send an integer or a decimal text")
    if isinstance(value, str):
        _check_text(text=value, path=path)
    elif isinstance(value, int):
        if abs(value) > _LARGEST_INTEGER:
            raise CanonicalError(f"{path or '/'}: the integer needs more than 64 bits")
    elif isinstance(value, dict | list):
        _check_children(value=value, path=path, depth=depth)
    elif value is not None:
        raise CanonicalError(f"{path or '/'}: a {type(value).__name__} has no canonical JSON form")


def _check_children(*, value: dict[object, object] | list[object], path: str, depth: int) -> None:
    if depth == _DEEPEST:
        raise CanonicalError(f"{path}: nested deeper than {_DEEPEST} levels")
    children = value.items() if isinstance(value, dict) else ((str(index), item) for index, item in enumerate(value))
    for key, child in children:
        if not isinstance(key, str):
            raise CanonicalError(f"{path or '/'}: the key {key!r} is not text")
        _check_text(text=key, path=path)
        _check_value(value=child, path=f"{path}/{key.replace('~', '~0').replace('/', '~1')}", depth=depth + 1)


def _check_text(*, text: str, path: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise CanonicalError(f"{path or '/'}: the text holds a lone surrogate at {error.start}") from error
