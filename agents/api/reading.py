"""What the read side of the door asks of every request."""

from collections.abc import Set
from typing import cast

from rest_framework.request import Request

from agents.auth import Caller
from agents.models.keys import Scope
from metering.errors import InvalidQueryError


def reader(request: Request) -> Caller:
    """Return who asks, once it is sure that they may read usage. Raises MissingScopeError."""
    caller = cast("Caller", request.auth)
    caller.require_scope(Scope.USAGE_READ)
    return caller


def refuse_unknown(request: Request, names: Set[str]) -> None:
    """Raise InvalidQueryError for a parameter that is none of `names`, stands twice, or holds U+0000."""
    for name, values in request.query_params.lists():
        if name not in names:
            raise InvalidQueryError(name, "There is no such parameter.")
        if len(values) > 1:
            raise InvalidQueryError(name, "Give it once.")
        if "\0" in values[0]:
            raise InvalidQueryError(name, "It holds U+0000.")
