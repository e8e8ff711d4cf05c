"""Subscriptions over HTTP: what a customer is on, changes of it, and what they would cost before they are made."""

from datetime import UTC, datetime
from typing import Final

from django.db.models import QuerySet
from rest_framework.exceptions import NotFound, ParseError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents.auth import Caller
from agents.errors import MissingScopeError
from agents.models.keys import Environment, Scope
from billing import alternatives, previews
from billing.api import agreements
from billing.api.bodies import read_operation, read_seats
from billing.api.views import NewestFirst
from billing.models import Subscription

MOST_PERIODS: Final = 36


class SubscriptionList(APIView):
    """GET /v1/subscriptions: what the caller is, was and will be on."""

    def get(self, request: Request) -> Response:
        """Answer a page of subscriptions, newest first. Raises MissingScopeError."""
        pages = NewestFirst()
        page = pages.paginate_queryset(_own(request, Scope.INVOICES_READ), request, view=self) or []
        return pages.get_paginated_response([agreements.subscription_of(one) for one in page])


class SubscriptionDetail(APIView):
    """GET /v1/subscriptions/{id}: one subscription with its terms over time and everything that was agreed."""

    def get(self, request: Request, subscription_id: int) -> Response:
        """Answer a subscription of the caller. Raises MissingScopeError, NotFound."""
        found = _find(request, subscription_id, Scope.INVOICES_READ)
        return Response(agreements.contract_of(found))


class SubscriptionChanges(APIView):
    """POST /v1/subscriptions/{id}/changes: another plan, a pause, an end."""

    def post(self, request: Request, subscription_id: int) -> Response:
        """Make a change, and answer it. Raises MissingScopeError, NotFound, ChangeFieldError, ChangeRefusedError."""
        found, caller = _find(request, subscription_id, Scope.BILLING_WRITE), _caller(request)
        if caller.environment != Environment.LIVE:
            raise MissingScopeError("A test key asks what a change would cost; a live key makes it.")
        change = read_operation(
            data=request.data, subscription=found, actor=f"key:{caller.key_id}", now=datetime.now(UTC)
        )()
        return Response(agreements.change_of(change), status=201)


class SubscriptionChangePreview(APIView):
    """POST /v1/subscriptions/{id}/changes/preview: what a change would bring; the change itself, taken back."""

    def post(self, request: Request, subscription_id: int) -> Response:
        """Answer the invoices to come. Raises what the change raises."""
        found, caller, now = _find(request, subscription_id, Scope.BILLING_WRITE), _caller(request), datetime.now(UTC)
        seats = read_seats(data=request.data, subscription=found, now=now)
        if seats is not None:
            change, at = seats
            return Response(agreements.preview_of(previews.of_seats(subscription=found, change=change, at=at)))
        operation = read_operation(data=request.data, subscription=found, actor=f"key:{caller.key_id}", now=now)
        return Response(agreements.preview_of(previews.of(operation, subscription=found)))


class SubscriptionAlternatives(APIView):
    """GET /v1/subscriptions/{id}/alternatives: what the usage of the last periods would have cost on each plan."""

    def get(self, request: Request, subscription_id: int) -> Response:
        """Answer the plans on offer, the cheapest first. Raises MissingScopeError, NotFound, PeriodError."""
        found = _find(request, subscription_id, Scope.INVOICES_READ)
        return Response(
            agreements.alternatives_of(
                alternatives.compare(subscription=found, periods=_periods(request), now=datetime.now(UTC))
            )
        )


def _caller(request: Request) -> Caller:
    caller = request.auth
    assert isinstance(caller, Caller)  # noqa: S101 - the only authentication class that is configured
    return caller


def _own(request: Request, scope: Scope) -> QuerySet[Subscription]:
    caller = _caller(request)
    caller.require_scope(scope)
    return Subscription.objects.filter(customer_id=caller.customer_id).select_related("customer", "version__plan")


def _find(request: Request, subscription_id: int, scope: Scope) -> Subscription:
    found = _own(request, scope).filter(pk=subscription_id).first()
    if found is None:
        raise NotFound(f"There is no subscription {subscription_id}.")
    return found


def _periods(request: Request) -> int:
    text = request.query_params.get("periods", str(alternatives.PERIODS))
    if not (text.isascii() and text.isdigit() and len(text) < 3 and 1 <= int(text) <= MOST_PERIODS):  # noqa: PLR2004 - digits of a number below 100
        raise ParseError(f"periods: It is a number from 1 to {MOST_PERIODS}.")
    return int(text)
