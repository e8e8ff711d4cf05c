"""Values as JSON and back: how the terms of an invoice are written into its bundle, field by field, exactly."""

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import Enum
from fractions import Fraction
from functools import lru_cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from billing.proof.errors import BundleError


def write(value: object) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return a value as JSON: numbers as texts, times in UTC, a dataclass as an object of its fields."""
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: write(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): write(one) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return [write(one) for one in value]
    return _write_plain(value)


def _write_plain(value: object) -> Any:  # noqa: ANN401
    match value:
        case Enum():
            return value.value
        case None | bool() | int() | str():
            return value
        case Decimal():
            return f"{value:f}"
        case Fraction():
            return f"{value.numerator}/{value.denominator}"
        case datetime():
            return value.astimezone(UTC).isoformat()
    raise TypeError(f"a {type(value).__name__} has no place in a bundle")


def read(kind: Any, found: Any, path: str) -> Any:  # noqa: ANN401 - whatever the kind is
    """Return what `write` wrote of a value of this kind. Raises BundleError naming the field."""
    try:
        return _read(kind, found, path)
    except (ValueError, TypeError, KeyError, InvalidOperation, ArithmeticError) as error:
        raise BundleError(f"{path}: {error}") from error


def _read(kind: Any, found: Any, path: str) -> Any:  # noqa: ANN401
    if kind is Any:
        return found
    origin = get_origin(kind)
    if origin in {Union, types.UnionType}:
        return None if found is None else _read(_some(kind), found, path)
    if origin is tuple:
        return _read_tuple(get_args(kind), found, path)
    if origin is not None:
        (_, inner) = get_args(kind)
        return {key: read(inner, one, f"{path}.{key}") for key, one in found.items()}
    if is_dataclass(kind):
        return _read_fields(kind, found, path)
    return _read_plain(kind, found)


def _some(kind: Any) -> Any:  # noqa: ANN401
    (inner,) = (one for one in get_args(kind) if one is not types.NoneType)
    return inner


def _read_tuple(kinds: tuple[Any, ...], found: Any, path: str) -> tuple[Any, ...]:  # noqa: ANN401
    if not isinstance(found, list):
        raise TypeError("must be a list")
    each = [kinds[0]] * len(found) if kinds[-1] is Ellipsis else list(kinds)
    pairs = zip(each, found, strict=True)
    return tuple(read(kind, one, f"{path}[{place}]") for place, (kind, one) in enumerate(pairs))


def _read_fields(kind: Any, found: Any, path: str) -> Any:  # noqa: ANN401
    hints = _hints(kind)
    if not isinstance(found, dict) or found.keys() != hints.keys():
        raise TypeError(f"must be an object with {', '.join(hints)}")
    return kind(**{name: read(hint, found[name], f"{path}.{name}") for name, hint in hints.items()})


@lru_cache(maxsize=256)
def _hints(kind: Any) -> dict[str, Any]:  # noqa: ANN401
    known = get_type_hints(kind)
    return {one.name: known[one.name] for one in fields(kind)}


def _read_plain(kind: Any, found: Any) -> Any:  # noqa: ANN401
    if kind in {str, int, bool}:
        if type(found) is not kind:
            raise TypeError(f"must be a {kind.__name__}")
        return found
    if not isinstance(found, str):
        raise TypeError("must be a text")
    if kind is datetime:
        return datetime.fromisoformat(found)
    return kind(found)
