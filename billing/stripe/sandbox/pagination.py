"""Lists objects a page at a time, as Stripe does: a cursor is the id of an object, never a number."""

from collections.abc import Callable, Sequence

from billing.stripe.sandbox.calls import Call
from billing.stripe.sandbox.errors import InvalidParameterError
from billing.stripe.sandbox.objects import Body
from billing.stripe.sandbox.store import Filter, Operator

MAX_LIMIT = 100
DEFAULT_LIMIT = 10

_BOUNDS: dict[str, Operator] = {"gt": "gt", "gte": "gte", "lt": "lt", "lte": "lte"}


def list_objects(
    *,
    call: Call,
    kind: str,
    url: str,
    params: Body,
    filters: Sequence[Filter],
    show: Callable[[Call, Body], Body],
    oldest_first: bool = False,
) -> Body:
    """One page of the objects that meet the filters and the common parameters of a list.

    Raises InvalidParameterError for a limit outside 1..100 or two cursors, ResourceMissingError for an unknown cursor.
    """
    limit = _limit(params)
    backwards = "ending_before" in params
    conditions = [
        *filters,
        *range_filters(field="created", sent=params.get("created")),
        *_cursor(call, kind, params, oldest_first),
    ]
    found = call.store.select(kind=kind, filters=conditions, newest_first=oldest_first == backwards, limit=limit + 1)
    page = found[:limit]
    if backwards:
        page.reverse()
    return {"object": "list", "data": [show(call, body) for body in page], "has_more": len(found) > limit, "url": url}


def range_filters(*, field: str, sent: int | Body | None) -> list[Filter]:
    """The conditions of a moment in Unix seconds, or of bounds named gt, gte, lt and lte."""
    if sent is None:
        return []
    if isinstance(sent, int):
        return [Filter(field, "eq", sent)]
    return [Filter(field, _BOUNDS[name], moment) for name, moment in sent.items()]


def _limit(params: Body) -> int:
    limit: int = params.get("limit", DEFAULT_LIMIT)
    if not 1 <= limit <= MAX_LIMIT:
        message = f"Invalid limit: {limit}. It must be between 1 and {MAX_LIMIT}."
        raise InvalidParameterError(message, code="parameter_invalid_integer", param="limit")
    return limit


def _cursor(call: Call, kind: str, params: Body, oldest_first: bool) -> list[Filter]:  # noqa: FBT001 - private
    names = [name for name in ("starting_after", "ending_before") if name in params]
    if len(names) > 1:
        raise InvalidParameterError("You may pass only one of starting_after and ending_before.", param="ending_before")
    if not names:
        return []
    call.fetch(kind=kind, id=params[names[0]], param=names[0])
    position = call.store.position(kind=kind, id=params[names[0]])
    forwards = names[0] == "starting_after"
    return [Filter("position", "gt" if forwards == oldest_first else "lt", position or 0)]
