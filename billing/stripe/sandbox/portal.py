"""Sessions of the customer portal: a link, made per visit, to a page with the customer's invoices."""

import secrets
from urllib.parse import urlsplit

from billing.stripe.sandbox import customers, shapes
from billing.stripe.sandbox.calls import Call
from billing.stripe.sandbox.errors import InvalidParameterError, NotModelledError
from billing.stripe.sandbox.objects import Body, public


def create(*, call: Call, params: Body) -> Body:
    """A new session; its `url` is valid for an hour. Raises InvalidParameterError for a bad return_url."""
    if "customer" not in params:
        raise InvalidParameterError("Missing required param: customer.", code="parameter_missing", param="customer")
    customer = customers.fetch_living(call=call, id=params["customer"], param="customer")
    return_url = params.get("return_url") or None
    if return_url is not None and (urlsplit(return_url).scheme not in ("http", "https")):
        raise InvalidParameterError("Not a valid URL", code="url_invalid", param="return_url")
    token = secrets.token_urlsafe(32)
    session = shapes.new(
        kind="billing_portal.session",
        created=call.now,
        configuration=params.get("configuration", "bpc_sandbox"),
        customer=customer["id"],
        flow=_flow(params),
        locale=params.get("locale"),
        return_url=return_url,
        url=f"{call.base_url}/portal/{token}",
        _token=token,
    )
    call.store.insert(body=session, now=call.now, parent=customer["id"])
    return public(body=session)


def _flow(params: Body) -> Body | None:
    """What the visit is for, where it is for one thing only: a new payment method."""
    sent = params.get("flow_data")
    if sent is None:
        return None
    if sent["type"] != "payment_method_update":
        message = "The sandbox models the flow payment_method_update only."
        raise NotModelledError(message, code="sandbox_not_modelled", param="flow_data[type]")
    return {"type": sent["type"], "after_completion": sent.get("after_completion", {"type": "portal_homepage"})}
