"""Writes the event of each change of state, and lists them; delivery is the business of webhooks."""

from billing.stripe.sandbox import pagination
from billing.stripe.sandbox.calls import Call
from billing.stripe.sandbox.errors import InvalidParameterError
from billing.stripe.sandbox.objects import API_VERSION, Body, new_id, public
from billing.stripe.sandbox.store import Filter


def emit(*, call: Call, type: str, body: Body, previous: Body | None = None) -> None:  # noqa: A002 - Stripe's word
    """Record that something happened to the object `body`, given as the API shows it."""
    data: Body = {"object": body}
    if previous is not None:
        data["previous_attributes"] = previous
    event: Body = {
        "id": new_id(prefix="evt"),
        "object": "event",
        "api_version": API_VERSION,
        "context": None,
        "created": call.now,
        "data": data,
        "livemode": False,
        "pending_webhooks": int(call.delivers),
        "request": {"id": call.request_id, "idempotency_key": call.idempotency_key},
        "type": type,
    }
    call.store.insert(body=event, now=call.now)
    if call.delivers:
        call.store.owe_delivery(event=event["id"])


def emit_update(*, call: Call, type: str, before: Body, after: Body) -> None:  # noqa: A002 - Stripe's word
    """Record an update with the former values of what changed; nothing when nothing did."""
    previous = {name: value for name, value in before.items() if after.get(name) != value}
    if previous:
        emit(call=call, type=type, body=after, previous=previous)


def retrieve(*, call: Call, params: Body, event: str) -> Body:  # noqa: ARG001 - every operation takes params
    """The event, as it was when it happened save for the count of pending deliveries."""
    return _shown(call, call.fetch(kind="event", id=event))


def list_all(*, call: Call, params: Body) -> Body:
    """Events, newest first, by type, creation and success of delivery."""
    return pagination.list_objects(
        call=call, kind="event", url="/v1/events", params=params, filters=_filters(call, params), show=_shown
    )


def _filters(call: Call, params: Body) -> list[Filter]:
    if "type" in params and "types" in params:
        raise InvalidParameterError("You may pass only one of type and types.", param="types")
    filters = []
    if "type" in params:
        wildcard = params["type"].endswith(".*")
        filters.append(Filter("type", "glob" if wildcard else "eq", params["type"]))
    if "types" in params:
        filters.append(Filter("type", "in", params["types"]))
    if "delivery_success" in params:
        owed = [event for event, _ in call.store.owed_deliveries()]
        filters.append(Filter("id", "not in" if params["delivery_success"] else "in", owed))
    return filters


def _shown(call: Call, event: Body) -> Body:
    return {**public(body=event), "pending_webhooks": int(call.store.is_owed(event=event["id"]))}
