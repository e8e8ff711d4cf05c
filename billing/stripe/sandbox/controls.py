"""The sandbox's own endpoints under /_sandbox/: health, faults and disorder on command, time. No part of Stripe."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from billing.stripe.sandbox import faults, routes
from billing.stripe.sandbox.api import Answer, Request
from billing.stripe.sandbox.clock import Clock
from billing.stripe.sandbox.disorder import ANY_TYPE, Disorder, DisorderKind, Plan
from billing.stripe.sandbox.errors import ApiError, InvalidParameterError, UnrecognizedUrlError
from billing.stripe.sandbox.objects import API_VERSION, Body
from billing.stripe.sandbox.store import Store

_PLAN: Final = frozenset({"kind", "type", "nth", "seconds"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """What the endpoints look at and change."""

    store: Store
    faults: faults.Faults
    disorder: Disorder
    clock: Clock

    def answer(self, *, request: Request) -> Answer:
        """The answer, in JSON."""
        try:
            return _json(200, self._respond(request))
        except ApiError as error:
            return _json(error.status, error.envelope())

    def _respond(self, request: Request) -> Body:
        endpoints: dict[tuple[str, str], Callable[[Request], Body]] = {
            ("GET", "health"): self._health,
            ("GET", "faults"): lambda _: {"faults": self.faults.planned()},
            ("POST", "faults"): self._plan_fault,
            ("DELETE", "faults"): self._clear_faults,
            ("GET", "calls"): lambda _: {"calls": self.faults.counts()},
            ("GET", "deliveries"): lambda _: {"deliveries": self.disorder.planned()},
            ("POST", "deliveries"): self._plan_disorder,
            ("DELETE", "deliveries"): self._clear_disorder,
            ("GET", "clock"): lambda _: {"now": self.clock()},
            ("POST", "clock"): self._advance,
        }
        found = endpoints.get((request.method, request.path.removeprefix("/_sandbox/")))
        if found is None:
            raise UnrecognizedUrlError(f"Unrecognized request URL ({request.method}: {request.path}).")
        return found(request)

    def _health(self, _request: Request) -> Body:
        with self.store.transaction():
            owed = len(self.store.owed_deliveries())
        return {"status": "ok", "api_version": API_VERSION, "undelivered_events": owed}

    def _plan_fault(self, request: Request) -> Body:
        _require_json(request)
        self.faults.plan(fault=faults.read(body=request.body, operations=routes.OPERATIONS))
        return {"faults": self.faults.planned()}

    def _clear_faults(self, _request: Request) -> Body:
        self.faults.clear()
        return {"faults": []}

    def _plan_disorder(self, request: Request) -> Body:
        sent = _read(request, _PLAN)
        words = [kind.value for kind in DisorderKind]
        if sent.get("kind") not in words:
            raise InvalidParameterError(f"kind must be one of {', '.join(words)}.", param="kind")
        kind, nth, seconds = DisorderKind(sent["kind"]), _count(sent, "nth", 1), _count(sent, "seconds", 0)
        self.disorder.plan(plan=Plan(kind, str(sent.get("type", ANY_TYPE)), nth, seconds))
        return {"deliveries": self.disorder.planned()}

    def _clear_disorder(self, _request: Request) -> Body:
        self.disorder.clear()
        return {"deliveries": []}

    def _advance(self, request: Request) -> Body:
        return {"now": self.clock.advance(seconds=_count(_read(request, frozenset({"advance"})), "advance", 0))}


def _read(request: Request, known: frozenset[str]) -> dict[str, Any]:
    _require_json(request)
    try:
        sent = json.loads(request.body)
    except ValueError as error:
        raise InvalidParameterError(f"Send a JSON object: {error}") from error
    if not isinstance(sent, dict):
        raise InvalidParameterError("Send a JSON object.")
    if unknown := sorted(set(sent) - known):
        raise InvalidParameterError(f"Unknown member: {unknown[0]}", param=unknown[0])
    return sent


def _count(sent: dict[str, Any], name: str, least: int) -> int:
    count = sent.get(name, least)
    if type(count) is not int or count < least:
        raise InvalidParameterError(f"{name} must be a whole number, {least} or more.", param=name)
    return count


def _require_json(request: Request) -> None:
    # A page in a browser cannot send this type to another origin unasked.
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise InvalidParameterError("Send it as application/json.", param="Content-Type")


def _json(status: int, body: Body) -> Answer:
    return Answer(status=status, body=json.dumps(body).encode())
