"""Which customer a signed-in person looks at: only ever one that they are a member of."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Concatenate, ParamSpec
from zoneinfo import ZoneInfo

from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django_htmx.http import HttpResponseClientRedirect

from agents.models import Customer, Member
from agents.models.customers import Role

CUSTOMER_KEY = "portal_customer"
PAYERS = frozenset({Role.OWNER, Role.BILLING})

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, "Access", P], HttpResponse]


@dataclass(frozen=True, slots=True)
class Access:
    """A person's membership of the customer they look at, and the customers they may switch to."""

    member: Member
    customers: tuple[Customer, ...]

    @property
    def customer(self) -> Customer:
        """The only customer whose data this request may show."""
        return self.member.customer

    @property
    def zone(self) -> ZoneInfo:
        """The customer's time zone, in which every date of the portal is shown and read."""
        return ZoneInfo(self.customer.time_zone)

    @property
    def may_pay(self) -> bool:
        """Whether this person is offered the way to pay: owners and billing members are."""
        return self.member.role in PAYERS


def find_access(*, user: User, session: SessionBase) -> Access | None:
    """Return the membership that `session` chose, else the first by name; None for somebody without any."""
    members = list(Member.objects.filter(user=user).select_related("customer").order_by("customer__name", "pk"))
    if not members:
        return None
    chosen = session.get(CUSTOMER_KEY)
    member = next((member for member in members if member.customer_id == chosen), members[0])
    return Access(member=member, customers=tuple(each.customer for each in members))


def choose_customer(*, access: Access, session: SessionBase, key: str) -> bool:
    """Look at the customer with this key from now on; False, and nothing changed, where it is none of the person's."""
    chosen = next((customer for customer in access.customers if customer.key == key), None)
    if chosen is not None:
        session[CUSTOMER_KEY] = chosen.pk
    return chosen is not None


def for_members(view: View[P]) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Let only members in, hand the view their access, and run it in the customer's time zone."""

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if not request.user.is_authenticated:
            return _ask_to_sign_in(request)
        access = find_access(user=request.user, session=request.session)
        if access is None:
            return render(request, "portal/no_access.html", status=403)
        with timezone.override(access.zone):
            return view(request, access, *args, **kwargs)

    return guarded


def _ask_to_sign_in(request: HttpRequest) -> HttpResponse:
    """Send a person to the sign-in page and back; a part of a page that htmx asked for becomes a whole page."""
    if request.method not in {"GET", "HEAD"}:
        return redirect("portal:login")
    if "HX-Request" not in request.headers:
        return redirect_to_login(request.get_full_path())
    return HttpResponseClientRedirect(redirect_to_login(request.get_full_path()).url)
