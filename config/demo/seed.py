"""What the demonstration starts from: plans, customers, their people, keys, seats and subscriptions; safe to repeat."""

import secrets
import tomllib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction

from agents import keys, seats
from agents.models import Customer, Member, Seat
from agents.models.customers import Role
from agents.models.keys import Environment, Scope
from billing import catalog, periods, subscriptions
from billing.models import PlanVersion, Subscription
from config.demo.cast import CAST, Part

PLANS = Path(settings.BASE_DIR) / "billing" / "plans"
KEY_NAME = "demonstration"


@dataclass(frozen=True, slots=True)
class Login:
    """A way in for a person; the password is made anew by each run of the demonstration."""

    what: str
    name: str
    password: str


@dataclass(frozen=True, slots=True)
class Seeded:
    """One customer of the cast with its secret key and its way in."""

    part: Part
    customer: Customer
    api_key: str
    login: Login


def plans(*, now: datetime) -> dict[str, PlanVersion]:
    """Import and publish the four plans; returns their versions by plan key."""
    versions = {}
    for path in sorted(PLANS.glob("*.toml")):
        version = catalog.import_plan(document=tomllib.loads(path.read_text(encoding="utf-8")), now=now)
        versions[path.stem] = catalog.publish(version=version, now=now)
    return versions


def customers(*, now: datetime) -> list[Seeded]:
    """Make the cast known, each on its plan since the first of the current month in its own zone."""
    versions = plans(now=now)
    return [_customer(part, versions[part.plan], now) for part in CAST]


def operator() -> Login:
    """Make the person who reads the admin."""
    password = secrets.token_urlsafe(9)
    user, _ = get_user_model().objects.get_or_create(
        username="operator", defaults={"is_staff": True, "is_superuser": True, "email": "operator@agentmeter.example"}
    )
    user.set_password(password)
    user.save(update_fields=["password"])
    return Login(what="admin", name="operator", password=password)


@transaction.atomic
def _customer(part: Part, version: PlanVersion, now: datetime) -> Seeded:
    customer, _ = Customer.objects.get_or_create(
        key=part.key,
        defaults={
            "name": part.name,
            "email": part.email,
            "address": part.address,
            "country": part.country,
            "currency": version.currencies[0],
            "time_zone": part.time_zone,
            "created_at": now,
        },
    )
    starts_at = _month_start(zone=part.time_zone, at=now)
    if not Subscription.objects.filter(customer=customer).exists():
        subscriptions.start(customer=customer, version=version, starts_at=starts_at, anchor_at=starts_at, now=now)
    _seats(part, customer, starts_at, now)
    return Seeded(part=part, customer=customer, api_key=_fresh_key(customer, now), login=_member(part, customer, now))


def _month_start(*, zone: str, at: datetime) -> datetime:
    first = datetime(2000, 1, 1, tzinfo=ZoneInfo(zone))
    return periods.full_period(anchor_at=first, zone=zone, interval="month", at=at).starts_at


def _seats(part: Part, customer: Customer, starts_at: datetime, now: datetime) -> None:
    known = set(Seat.objects.filter(customer=customer).values_list("key", flat=True))
    for spell in part.seats:
        if spell.key not in known:
            at = spell.assigned_at(period_starts_at=starts_at, now=now)
            seats.assign(customer=customer, key=spell.key, holder=spell.holder, at=at, now=now)


def _fresh_key(customer: Customer, now: datetime) -> str:
    """Return a new key and end the one of the last run: a secret is shown once and stored nowhere."""
    for key in customer.api_keys.filter(name=KEY_NAME, revoked_at__isnull=True):
        keys.revoke(key=key, now=now)
    _, secret = keys.create(customer=customer, name=KEY_NAME, environment=Environment.LIVE, scopes=list(Scope), now=now)
    return secret


def _member(part: Part, customer: Customer, now: datetime) -> Login:
    password = secrets.token_urlsafe(9)
    user, _ = get_user_model().objects.get_or_create(username=part.key, defaults={"email": part.email})
    user.set_password(password)
    user.save(update_fields=["password"])
    Member.objects.get_or_create(user=user, customer=customer, defaults={"role": Role.OWNER, "joined_at": now})
    return Login(what=part.name, name=part.key, password=password)
