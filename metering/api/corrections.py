"""POST /v1/events/void: takes an accepted event back."""

from datetime import UTC, datetime
from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from metering import corrections
from metering.api.callers import WRITE, caller_of
from metering.corrections import Voided
from metering.errors import AlreadyVoidedError, InvalidVoidError

FIELDS = ("source", "id", "reason")


class VoidView(APIView):
    """The correction of what was sent by mistake. It may be sent again: the same void again is no second one."""

    def post(self, request: Request) -> Response:
        """Take an event of the caller's customer back; 200 where the same key did so before, for the same reason."""
        caller = caller_of(request, scope=WRITE)
        source, event_id, reason = _fields(request.data)
        asked: dict[str, Any] = {"customer_id": caller.customer_id, "source": source, "event_id": event_id}
        actor = f"key:{caller.key_id}"
        try:
            made = corrections.void(**asked, actor=actor, reason=reason, now=datetime.now(UTC))
        except AlreadyVoidedError:
            stands = corrections.find(**asked)
            if (stands.actor, stands.reason) != (actor, reason):
                raise
            return Response(_body(stands))
        return Response(_body(made), status=201)


def _fields(data: object) -> tuple[str, str, str]:
    """Return the source and id of the event that is meant, and why. Raises InvalidVoidError naming the field."""
    if not isinstance(data, dict):
        raise ParseError("A void is a JSON object of source, id and reason.")
    for name in data:
        if name not in FIELDS:
            raise InvalidVoidError(name, "There is no such field.")
    for name in FIELDS:
        text = data.get(name)
        if not isinstance(text, str) or not text or not _is_storable(text):
            raise InvalidVoidError(name, "It is a text, and required.")
    return data["source"], data["id"], data["reason"].strip()


def _is_storable(text: str) -> bool:
    """Whether it is Unicode that PostgreSQL takes: no U+0000, and no half of a pair of surrogates."""
    return "\0" not in text and text.encode("utf-8", "replace").decode() == text


def _body(one: Voided) -> dict[str, Any]:
    return {
        "source": one.source,
        "id": one.event_id,
        "actor": one.actor,
        "reason": one.reason,
        "voided_at": one.voided_at.astimezone(UTC).isoformat(),
        "fold": one.fold,
    }
