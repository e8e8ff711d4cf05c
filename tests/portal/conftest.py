"""The cast: acme (ours) in Berlin on a plan with an invoice for October, rival on the same plan, stranger nowhere."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.urls import reverse

from tests import factories
from tests.portal import stage
from tests.portal.stage import utc

NOW = utc(2026, 11, 16, 11)
BERLIN = ZoneInfo("Europe/Berlin")
NOVEMBER = datetime(2026, 11, 1, tzinfo=BERLIN)


@pytest.fixture
def clock():
    """Noon of 16 November 2026 in Berlin: 15 and a half of November's 30 days have passed."""
    with time_machine.travel(NOW, tick=False):
        yield NOW


@pytest.fixture
def acme(db, clock):
    return factories.customer("acme", name="Acme Harbour", time_zone="Europe/Berlin")


@pytest.fixture
def rival(db, clock):
    return factories.customer("rival", name="Rival Freight", currency="USD")


@pytest.fixture
def owner(acme):
    return stage.person("olga", acme)


@pytest.fixture
def portal(client, owner):
    """A browser without scripts in which acme's owner is signed in; `get` takes the name of a page."""
    client.force_login(owner)
    return Browser(client)


class Browser:
    def __init__(self, client):
        self.client = client

    def get(self, name, *args, status=200, query="", **headers):
        response = self.client.get(f"{reverse(f'portal:{name}', args=args)}{query}", headers=headers)
        assert response.status_code == status, response.content.decode()
        return response

    def text(self, name, *args, **rest):
        return self.get(name, *args, **rest).content.decode()
