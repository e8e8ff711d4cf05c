"""Checks a decoded request against the SDK's own typed parameters, and turns its text into values.

The SDK's TypedDicts are generated from Stripe's specification of exactly the API version that we pin, so an unknown,
renamed or removed parameter is caught here as Stripe would catch it. Their enums are open; here they are closed.
"""

import re
import sys
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, NotRequired, Required, Union, get_args, get_origin, get_type_hints

from stripe import RequestOptions
from typing_extensions import is_typeddict

from billing.stripe.sandbox.errors import InvalidParameterError, NotModelledError
from billing.stripe.sandbox.forms import Form, Raw
from billing.stripe.sandbox.objects import Body

_INTEGER = re.compile(r"-?[0-9]{1,15}")


def parse(*, schema: type, form: Form, modelled: frozenset[str]) -> Body:
    """The typed parameters of a request.

    `schema` is a TypedDict of stripe.params; `modelled` names, dotted and without list positions, what the sandbox acts
    upon. Raises InvalidParameterError where Stripe would refuse, NotModelledError where only the sandbox must.
    """
    body: Body = _object(schema, form, "")
    _refuse_unmodelled(body, "", modelled | {"expand"})
    return body


@cache
def _fields(schema: type) -> dict[str, tuple[Any, bool]]:
    """Each field's type and whether it must be sent; the SDK's request options are no parameters of the API."""
    # The options are inherited from another module, whose names must be at hand too; StripeContext is imported there
    # for type checkers only.
    names = {**vars(sys.modules[RequestOptions.__module__]), "StripeContext": str}
    hints = get_type_hints(schema, localns=names, include_extras=True)
    options = RequestOptions.__annotations__
    return {
        name: (_bare(hint), get_origin(hint) is not NotRequired) for name, hint in hints.items() if name not in options
    }


def _bare(hint: Any) -> Any:  # noqa: ANN401 - a type annotation may be any object
    return get_args(hint)[0] if get_origin(hint) in (NotRequired, Required, Annotated) else hint


def _object(schema: type, raw: Raw, path: str) -> Body:
    if isinstance(raw, str):
        raise InvalidParameterError("Invalid object", code="parameter_invalid", param=path)
    fields = _fields(schema)
    for name in raw:
        if name not in fields:
            param = _join(path, name)
            raise InvalidParameterError(f"Received unknown parameter: {param}", code="parameter_unknown", param=param)
    for name, (_, required) in fields.items():
        if required and name not in raw:
            param = _join(path, name)
            raise InvalidParameterError(f"Missing required param: {param}.", code="parameter_missing", param=param)
    return {name: _value(fields[name][0], value, _join(path, name)) for name, value in raw.items()}


def _join(path: str, name: str) -> str:
    return f"{path}[{name}]" if path else name


def _value(hint: Any, raw: Raw, path: str) -> Any:  # noqa: ANN401 - what comes out depends on the annotation
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return _member(get_args(hint), raw, path)
    if origin is Literal:
        return _choice(get_args(hint), raw, path)
    if origin is list:
        return _list(get_args(hint)[0], raw, path)
    if origin is dict:
        return _mapping(raw, path)
    if is_typeddict(hint):
        return _object(hint, raw, path)
    return _scalar(hint, raw, path)


def _member(hints: tuple[Any, ...], raw: Raw, path: str) -> Any:  # noqa: ANN401 - as _value
    if isinstance(raw, str):
        return _text_member(hints, raw, path)
    for hint in hints:
        if get_origin(hint) is dict or is_typeddict(hint):
            return _value(hint, raw, path)
    for hint in hints:
        if get_origin(hint) is list:
            return _value(hint, raw, path)
    return _scalar(str, raw, path)


def _text_member(hints: tuple[Any, ...], raw: str, path: str) -> Any:  # noqa: ANN401 - as _value
    """A union sent as text: '' to unset, one word of an enum, or the first scalar member."""
    words = tuple(word for hint in hints if get_origin(hint) is Literal for word in get_args(hint))
    if raw in words:
        return raw
    if any(words):
        return _choice(words, raw, path)
    scalars = [hint for hint in hints if hint in _SCALARS]
    return _value(scalars[0] if scalars else hints[-1], raw, path)


def _choice(words: tuple[Any, ...], raw: Raw, path: str) -> str:
    if isinstance(raw, str) and raw in words:
        return raw
    listed = ", ".join(word for word in words if word)
    raise InvalidParameterError(f"Invalid {path}: must be one of {listed}", param=path)


def _list(hint: Any, raw: Raw, path: str) -> list[Any]:  # noqa: ANN401 - as _value
    if isinstance(raw, str) or set(raw) != {str(index) for index in range(len(raw))}:
        raise InvalidParameterError("Invalid array", code="parameter_invalid", param=path)
    return [_value(hint, raw[str(index)], f"{path}[{index}]") for index in range(len(raw))]


def _mapping(raw: Raw, path: str) -> dict[str, str]:
    if isinstance(raw, str):
        raise InvalidParameterError("Invalid hash", code="parameter_invalid", param=path)
    return {name: str(_scalar(str, value, _join(path, name))) for name, value in raw.items()}


def _scalar(hint: Any, raw: Raw, path: str) -> Any:  # noqa: ANN401 - as _value
    if not isinstance(raw, str):
        raise InvalidParameterError("Invalid string: an object was sent", code="parameter_invalid", param=path)
    reader = _SCALARS.get(hint)
    if reader is None:
        raise NotModelledError(f"The sandbox cannot read a parameter of type {hint}", param=path)
    return reader(raw, path)


def _text(raw: str, path: str) -> str:
    if "\x00" in raw:
        raise InvalidParameterError("Invalid string: it holds a null character", code="parameter_invalid", param=path)
    return raw


def _integer(raw: str, path: str) -> int:
    if _INTEGER.fullmatch(raw) is None:
        raise InvalidParameterError(f"Invalid integer: {raw}", code="parameter_invalid_integer", param=path)
    return int(raw)


def _boolean(raw: str, path: str) -> bool:
    if raw not in ("true", "false"):
        raise InvalidParameterError(f"Invalid boolean: {raw}", code="parameter_invalid_boolean", param=path)
    return raw == "true"


def _decimal(raw: str, path: str) -> Decimal:
    try:
        number = Decimal(raw)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise InvalidParameterError(f"Invalid decimal: {raw}", code="parameter_invalid", param=path)
    return number


# A parameter that the SDK types as float (a tax percentage) is read as Decimal: exact, and never money here.
_SCALARS: dict[Any, Callable[[str, str], Any]] = {
    str: _text,
    int: _integer,
    bool: _boolean,
    Decimal: _decimal,
    float: _decimal,
}


def _refuse_unmodelled(value: Any, path: str, modelled: frozenset[str]) -> None:  # noqa: ANN401 - walks parsed values
    if isinstance(value, list):
        for item in value:
            _refuse_unmodelled(item, path, modelled)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            _refuse_member(item, f"{path}.{name}" if path else name, modelled)
    else:
        _not_modelled(path)


def _refuse_member(value: Any, path: str, modelled: frozenset[str]) -> None:  # noqa: ANN401 - as _refuse_unmodelled
    if path in modelled:
        return
    if value != "" and any(name.startswith(f"{path}.") for name in modelled):
        _refuse_unmodelled(value, path, modelled)
        return
    _not_modelled(path)


def _not_modelled(path: str) -> None:
    message = f"The sandbox does not model the parameter {path}; Stripe does. Leave it out or extend the sandbox."
    raise NotModelledError(message, code="sandbox_not_modelled", param=path)
