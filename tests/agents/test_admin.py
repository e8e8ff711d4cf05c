"""The admin of those who act: everything can be seen, what waits can be closed with a reason, feeds can be declared."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model

from agents import ledger
from agents.errors import Suspicion
from agents.models import Device, DeviceFinding, Feed, Trace
from agents.models.traces import TraceState
from agents.otlp import arrivals
from tests.factories import NOW, SigningDevice, customer
from tests.otlp import factories as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme():
    return customer("acme")


@pytest.fixture
def ann(client):
    user = get_user_model().objects.create_superuser("ann", "ann@example.com", "pass")
    client.force_login(user)
    return client


@pytest.fixture
def waiting(acme):
    for _ in range(2):
        scope, sent = make.pydantic_ai(make.trace_id())
        make.send(acme, scope, sent[:-1])
    make.complete(arrivals.MAX_AGE)
    return list(Trace.objects.order_by("pk"))


@pytest.fixture
def finding(acme):
    device = SigningDevice().enrol(acme)
    fork = Suspicion(device.pk, "fork", 1, 1, 2, "another history")
    ledger.note(suspicions=[fork], now=NOW)
    return DeviceFinding.objects.get()


def do(client, model, action, rows, reason):
    data = {"action": action, "_selected_action": [row.pk for row in rows], "reason": reason}
    return client.post(f"/admin/agents/{model}/", data, follow=True).content.decode()


@pytest.mark.parametrize("model", ["customer", "agent", "apikey", "seat", "device", "devicefinding", "trace", "feed"])
def test_every_list_and_page_can_be_opened(ann, waiting, finding, model):
    assert ann.get(f"/admin/agents/{model}/").status_code == 200
    rows = {
        "trace": waiting[0],
        "device": finding.device,
        "devicefinding": finding,
        "customer": finding.device.customer,
    }
    if model in rows:
        assert ann.get(f"/admin/agents/{model}/{rows[model].pk}/change/").status_code == 200
    added = ann.get(f"/admin/agents/{model}/add/").status_code
    assert added == (200 if model == "feed" else 403)


def test_a_trace_is_accepted_or_dismissed_with_a_reason(ann, waiting):
    accepted, dismissed = waiting
    assert "reason" in do(ann, "trace", "accept", [accepted], "")
    do(ann, "trace", "accept", [accepted], "The root was lost.")
    do(ann, "trace", "dismiss", [dismissed], "A test.")
    rows = [(row.state, row.resolved_by, row.resolution) for row in Trace.objects.order_by("pk")]
    assert rows == [
        (TraceState.DONE, "user:ann", "The root was lost."),
        (TraceState.DISMISSED, "user:ann", "A test."),
    ]
    assert "does not wait" in do(ann, "trace", "accept", [accepted], "Again.")


def test_a_finding_is_resolved_with_a_reason(ann, finding):
    assert "reason" in do(ann, "devicefinding", "resolve", [finding], " ")
    do(ann, "devicefinding", "resolve", [finding], "Wiped.")
    assert DeviceFinding.objects.get().resolved_by == "user:ann"
    assert Device.objects.get().quarantined_at is None


def test_a_device_is_re_enrolled_from_its_finding(ann, finding):
    assert "is in epoch 2" in do(ann, "devicefinding", "re_enrol", [finding], "Cloned.")
    assert (Device.objects.get().epoch, DeviceFinding.objects.get().resolution) == (2, "Cloned.")


def test_a_person_without_the_permission_cannot_close_anything(client, finding):
    user = get_user_model().objects.create_user("bob", "bob@example.com", "pass", is_staff=True)
    client.force_login(user)
    assert "Forbidden" in do(client, "devicefinding", "resolve", [finding], "Wiped.")
    assert DeviceFinding.objects.get().resolved_at is None


def test_a_feed_is_declared_and_what_is_wrong_is_said_at_its_field(ann, acme):
    def declare(meter, starts_at):
        data = {"customer": acme.pk, "agent": "", "meter": meter, "source": "otlp"}
        data |= {"starts_at_0": starts_at.strftime("%Y-%m-%d"), "starts_at_1": starts_at.strftime("%H:%M:%S")}
        return ann.post("/admin/agents/feed/add/", data, follow=True).content.decode()

    now = datetime.now(UTC)
    assert "There is no meter" in declare("nothing", now + timedelta(days=1))
    assert "minutes from now" in declare("turns", now)
    assert Feed.objects.count() == 0
    declare("turns", now + timedelta(days=1))
    assert "declared for this instant already" in declare("turns", now + timedelta(days=1))
    feed = Feed.objects.get()
    assert (feed.meter, feed.source, feed.declared_by) == ("turns", "otlp", "user:ann")
    assert ann.get(f"/admin/agents/feed/{feed.pk}/change/").status_code == 200
