"""The cast and the smallest valid objects: a customer, a published plan, a subscription, usage that really came in."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from agents.models import Customer
from billing import catalog, subscriptions
from billing.models import PlanVersion, Subscription
from tests import factories
from tests.billing.usage import Sender

MAY = datetime(2026, 5, 1, tzinfo=UTC)
JUNE = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def make_customer(db) -> Callable[..., Customer]:
    def make(key: str = "acme", currency: str = "EUR", time_zone: str = "UTC"):
        return factories.customer(key, currency=currency, time_zone=time_zone)

    return make


@pytest.fixture
def acme(make_customer):
    return make_customer("acme")


@pytest.fixture
def publish(db) -> Callable[..., PlanVersion]:
    def make(name: str) -> PlanVersion:
        version = catalog.import_plan(document=catalog.read(path=catalog.PLANS / f"{name}.toml"), now=MAY)
        return catalog.publish(version=version, now=MAY)

    return make


@pytest.fixture
def subscribe(publish) -> Callable[..., Subscription]:
    def make(customer: Customer, plan: str = "activity", starts_at: datetime = MAY) -> Subscription:
        return subscriptions.start(customer=customer, version=publish(plan), starts_at=starts_at, now=starts_at)

    return make


@pytest.fixture
def send(db) -> Sender:
    return Sender()
