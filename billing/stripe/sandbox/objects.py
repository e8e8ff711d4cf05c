"""What every Stripe object has: an id, metadata, and a way to be looked up."""

import secrets
import string
from collections.abc import Mapping
from typing import Any, TypeAlias

from billing.stripe.sandbox.errors import InvalidParameterError

Body: TypeAlias = dict[str, Any]
"""A Stripe object, or parsed parameters: JSON."""

API_VERSION = "2026-10-28.endive"

_BASE62 = string.digits + string.ascii_letters
_MAX_KEYS, _MAX_NAME, _MAX_VALUE = 50, 40, 500  # docs.stripe.com/api/metadata


def new_id(*, prefix: str) -> str:
    """A random id such as in_1NkF..., in Stripe's alphabet and length."""
    return prefix + "_" + "".join(secrets.choice(_BASE62) for _ in range(24))


def public(*, body: Body) -> Body:
    """The object as the API shows it: members whose name starts with an underscore are the sandbox's own."""
    return {name: value for name, value in body.items() if not name.startswith("_")}


def merge_metadata(*, current: Mapping[str, str] | None, sent: Mapping[str, str] | str) -> dict[str, str]:
    """Stripe's rule: given keys are added or replaced, an empty value removes a key, an empty text removes all.

    Raises InvalidParameterError beyond 50 keys of 40 characters with values of 500.
    """
    if isinstance(sent, str):
        return {}
    merged = {name: value for name, value in {**(current or {}), **sent}.items() if value}
    for name, value in sent.items():
        if len(name) > _MAX_NAME or len(value) > _MAX_VALUE:
            message = f"Metadata keys have at most {_MAX_NAME} and values at most {_MAX_VALUE} characters."
            raise InvalidParameterError(message, param=f"metadata[{name[:_MAX_NAME]}]")
    if len(merged) > _MAX_KEYS:
        raise InvalidParameterError(f"Metadata can have at most {_MAX_KEYS} keys.", param="metadata")
    return merged
