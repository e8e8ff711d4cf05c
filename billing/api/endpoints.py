"""/v1/webhook-endpoints: where a customer is told what happens, what was sent there, and what came of it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from django.db.models import QuerySet
from rest_framework.exceptions import NotFound, ParseError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents.auth import Caller
from agents.models import Customer
from agents.models.keys import Scope
from billing.endpoints import announcing, delivery, registry
from billing.models import Delivery, DeliveryAttempt, Endpoint

_LOG: Final = 100
_TEXT: Final = 200


class WebhookEndpointList(APIView):
    """The endpoints of the caller's customer, and the way to add one."""

    def get(self, request: Request) -> Response:
        """List them, the oldest first; secrets are never shown again."""
        found = registry.of(customer_id=_caller(request).customer_id)
        return Response({"endpoints": [_body(endpoint) for endpoint in found]})

    def post(self, request: Request) -> Response:
        """Add an endpoint. Its secret is in this answer and in no other; messages are signed as Standard Webhooks."""
        customer = Customer.objects.get(pk=_caller(request).customer_id)
        fields = _fields(request, {"url", "description", "types"})
        if "url" not in fields:
            raise ParseError("url: It is required.")
        endpoint = registry.add(
            customer=customer,
            url=fields["url"],
            description=fields.get("description", ""),
            types=fields.get("types", []),
            now=datetime.now(UTC),
        )
        return Response(
            _body(endpoint) | {"secret": endpoint.secret},
            status=201,
            headers={"Location": f"{request.path.rstrip('/')}/{endpoint.pk}"},
        )


class WebhookEndpointDetail(APIView):
    """One endpoint."""

    def get(self, request: Request, endpoint_id: int) -> Response:
        """Show an endpoint: what it is told, and whether it fails."""
        return Response(_body(_endpoint(request, endpoint_id)))

    def patch(self, request: Request, endpoint_id: int) -> Response:
        """Change an endpoint; `is_enabled` switches it off, or on again, and what waited for it is sent then."""
        endpoint = _endpoint(request, endpoint_id)
        fields = _fields(request, {"url", "description", "types", "is_enabled"})
        if not fields:
            raise ParseError("Name at least one field to change: url, description, types or is_enabled.")
        changed = registry.change(
            endpoint=endpoint,
            url=fields.get("url", endpoint.url),
            description=fields.get("description", endpoint.description),
            types=fields.get("types", endpoint.types),
            is_enabled=fields.get("is_enabled", endpoint.disabled_at is None),
            now=datetime.now(UTC),
        )
        return Response(_body(changed))

    def delete(self, request: Request, endpoint_id: int) -> Response:
        """Take an endpoint away: nothing more is sent to it."""
        endpoint = _endpoint(request, endpoint_id)
        registry.remove(endpoint=endpoint, now=datetime.now(UTC))
        return Response(_body(endpoint))


class WebhookEndpointSecret(APIView):
    """The exchange of an endpoint's secret."""

    def post(self, request: Request, endpoint_id: int) -> Response:
        """Give it a fresh secret, shown in this answer only; for a day messages carry the signature of both."""
        rotated = registry.rotate(endpoint=_endpoint(request, endpoint_id), now=datetime.now(UTC))
        return Response(_body(rotated) | {"secret": rotated.secret}, status=201)


class WebhookEndpointTest(APIView):
    """A message to try an endpoint with."""

    def post(self, request: Request, endpoint_id: int) -> Response:
        """Send `endpoint.test` to this endpoint alone; what came of it is in its log."""
        row = announcing.try_endpoint(endpoint=_endpoint(request, endpoint_id), now=datetime.now(UTC))
        return Response({"id": row.message_id}, status=201)


class WebhookDeliveryList(APIView):
    """What was sent to an endpoint."""

    def get(self, request: Request, endpoint_id: int) -> Response:
        """List the newest hundred messages, with every attempt: when, how long it took, what was answered."""
        deliveries = Delivery.objects.filter(endpoint=_endpoint(request, endpoint_id)).select_related("announcement")
        newest = deliveries.prefetch_related("log").order_by("-pk")[:_LOG]
        return Response({"deliveries": [_delivery(one) for one in newest]})


class WebhookReplay(APIView):
    """Sending a message again."""

    def post(self, request: Request, endpoint_id: int, message_id: str) -> Response:
        """Send a message to the endpoint once more, under the same id."""
        found = delivery.replay(endpoint=_endpoint(request, endpoint_id), message_id=message_id, now=datetime.now(UTC))
        return Response(_delivery(found), status=201)


def _caller(request: Request) -> Caller:
    caller = request.auth
    assert isinstance(caller, Caller)  # noqa: S101 - the only authentication class that is configured
    caller.require_scope(Scope.WEBHOOKS_WRITE)
    return caller


def _endpoints(request: Request) -> QuerySet[Endpoint]:
    return registry.of(customer_id=_caller(request).customer_id).select_related("customer")


def _endpoint(request: Request, endpoint_id: int) -> Endpoint:
    found = _endpoints(request).filter(pk=min(endpoint_id, 2**63 - 1)).first()
    if found is None:
        raise NotFound(f"There is no endpoint {endpoint_id}.")
    return found


def _fields(request: Request, known: set[str]) -> dict[str, Any]:
    """Return the body's members, of the kinds they must be. Raises ParseError naming the field."""
    if not isinstance(request.data, dict):
        raise ParseError("An endpoint is a JSON object.")
    for name, value in request.data.items():
        if name not in known:
            raise ParseError(f"{name}: There is no such field; there are {', '.join(sorted(known))}.")
        if not _CHECKS[name](value):
            raise ParseError(f"{name}: {_EXPECTED[name]}")
    return dict(request.data)


def _is_address(value: object) -> bool:
    return isinstance(value, str)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _TEXT and "\0" not in value


def _is_types(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


_CHECKS: Final[dict[str, Callable[[object], bool]]] = {
    "url": _is_address,
    "description": _is_text,
    "types": _is_types,
    "is_enabled": _is_flag,
}
_EXPECTED: Final = {
    "url": "It is a text.",
    "description": f"It is a text of at most {_TEXT} characters.",
    "types": "It is a list of types of events; an empty one means all.",
    "is_enabled": "It is true or false.",
}


def _body(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "id": endpoint.pk,
        "url": endpoint.url,
        "description": endpoint.description,
        "types": endpoint.types,
        "is_enabled": endpoint.disabled_at is None,
        "disabled_reason": endpoint.disabled_reason,
        "failing_since": _instant(endpoint.failing_since),
        "previous_secret_until": _instant(endpoint.previous_until),
        "created_at": _instant(endpoint.created_at),
    }


def _delivery(row: Delivery) -> dict[str, Any]:
    attempts = sorted(row.log.all(), key=lambda attempt: attempt.number)
    return {
        "id": row.announcement.message_id,
        "type": row.announcement.type,
        "state": row.state,
        "next_at": _instant(row.not_before) if row.finished_at is None else None,
        "body": row.announcement.body,
        "attempts": [_attempt(attempt) for attempt in attempts],
    }


def _attempt(attempt: DeliveryAttempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "sent_at": _instant(attempt.sent_at),
        "milliseconds": attempt.milliseconds,
        "status": attempt.status,
        "answer": attempt.answer,
        "error": attempt.error,
    }


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat()
