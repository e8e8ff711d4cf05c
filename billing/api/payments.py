"""/v1/billing-portal-session: the way to Stripe's own page for a customer's payment methods."""

from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents.auth import Caller
from agents.models import Customer
from agents.models.keys import Scope
from billing.stripe import portal


class BillingPortalSession(APIView):
    """POST /v1/billing-portal-session: a page at Stripe, for one click."""

    def post(self, request: Request) -> Response:
        """Open a session and answer its address, which lives for minutes and is not kept here.

        `return_url` is where the page leads back to: an address of this service, whose portal it is where none is
        given. Raises MissingScopeError, ParseError, and what `portal.open_session` does.
        """
        caller = request.auth
        assert isinstance(caller, Caller)  # noqa: S101 - the only authentication class that is configured
        caller.require_scope(Scope.PAYMENTS_WRITE)
        customer = Customer.objects.get(pk=caller.customer_id)
        url = portal.open_session(customer=customer, return_url=_return_url(request))
        return Response({"url": url}, status=201, headers={"Cache-Control": "no-store"})


def _return_url(request: Request) -> str:
    home = settings.PUBLIC_URL.rstrip("/") + "/"
    body = request.data if isinstance(request.data, dict) else {}
    if unknown := set(body) - {"return_url"}:
        raise ParseError(f"{min(unknown)}: There is no such field.")
    url = body.get("return_url", f"{home}portal/")
    if not isinstance(url, str) or not url.startswith(home):
        raise ParseError(f"return_url: It is an address that begins with {home}")
    return url
