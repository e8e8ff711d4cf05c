"""Webhooks out: what happened is told to customers' endpoints, signed as Standard Webhooks says."""

import json
import socket
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, transaction
from standardwebhooks import Webhook, WebhookVerificationError

from agents.models import DeviceFinding
from billing.endpoints import announcing, delivery, devices, registry, signatures, transport
from billing.endpoints.errors import (
    EndpointAddressError,
    EndpointLimitError,
    EndpointTypeError,
    NotDeliveredError,
    UnknownDeliveryError,
)
from billing.models import Announcement, Delivery, DeliveryAttempt, Endpoint
from billing.models.endpoints import EventType
from tests.billing.receiver import Receiver
from tests.factories import SigningDevice

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def receiver(settings):
    settings.WEBHOOKS_ALLOW_PRIVATE = True
    with Receiver() as server:
        yield server


@pytest.fixture
def endpoint(acme, receiver):
    return add(acme, receiver.url)


def add(customer, url="https://hooks.example/in", types=(), now=NOW):
    return registry.add(customer=customer, url=url, description="", types=types, now=now)


def announce(customer, key="budget:1", kind=EventType.BUDGET_EXCEEDED, now=NOW, **data):
    return announcing.announce(customer=customer, kind=kind, key=key, data=data or {"budget": "may"}, now=now)


def deliver(now=NOW):
    return delivery.deliver(clock=lambda: now)


def test_the_receivers_own_library_takes_the_message(endpoint, acme, receiver):
    announce(acme, budget="may", limit="100.00", now=datetime.now(UTC))
    deliver(datetime.now(UTC))
    ((path, headers, body),) = receiver.requests
    assert path == "/hooks?of=acme"
    told = Webhook(endpoint.secret).verify(body, headers)
    assert (told["type"], told["data"]) == ("budget.exceeded", {"budget": "may", "limit": "100.00"})
    with pytest.raises(WebhookVerificationError):
        Webhook(endpoint.secret).verify(body.replace(b"100", b"900"), headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(signatures.generate()).verify(body, headers)


def test_the_published_vector_is_signed_as_published(acme):
    endpoint = Endpoint(customer=acme, secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    told = Announcement(message_id="msg_p5jXN8AQM9LWM0D4loKWxJek", body='{"test": 2432232314}')
    at = datetime.fromtimestamp(1614265330, UTC)
    headers = signatures.headers(endpoint=endpoint, announcement=told, now=at)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert headers["webhook-timestamp"] == "1614265330"
    elsewhere = at.astimezone(__import__("zoneinfo").ZoneInfo("Asia/Tokyo"))
    assert signatures.headers(endpoint=endpoint, announcement=told, now=elsewhere) == headers


def test_while_a_secret_is_exchanged_either_one_verifies(endpoint, acme, receiver):
    now = datetime.now(UTC)
    rotated = registry.rotate(endpoint=Endpoint.objects.get(), now=now)
    announce(acme, now=now)
    deliver(now)
    _, headers, body = receiver.requests[0]
    assert rotated.secret != endpoint.secret
    for secret in (endpoint.secret, rotated.secret):
        assert Webhook(secret).verify(body, headers)
    after = signatures.headers(
        endpoint=rotated, announcement=Announcement.objects.get(), now=now + registry.OVERLAP + timedelta(seconds=1)
    )
    assert len(after["webhook-signature"].split()) == 1


def test_a_cause_is_told_once_and_every_time_under_the_same_id(endpoint, acme, receiver):
    receiver.answers = [500]
    assert [announce(acme), announce(acme)] == [True, False]
    deliver()
    deliver(NOW + timedelta(minutes=1))
    first, second = receiver.requests
    assert first[1]["webhook-id"] == second[1]["webhook-id"]
    assert first[2] == second[2]
    assert Delivery.objects.get().state == "delivered"


def test_an_announcement_is_undone_with_its_cause(endpoint, acme):
    with transaction.atomic():
        announce(acme)
        transaction.set_rollback(True)
    assert not Announcement.objects.exists()


def test_an_endpoint_is_told_only_what_it_wants_and_only_of_its_customer(acme, make_customer, settings):
    settings.WEBHOOKS_ALLOW_PRIVATE = True
    picky, curious = add(acme, types=["invoice.paid"]), add(acme)
    add(make_customer("rival"))
    announce(acme)
    assert [one.endpoint for one in Delivery.objects.all()] == [curious]
    announce(acme, key="other", kind=EventType.INVOICE_PAID)
    assert set(Delivery.objects.filter(announcement__key="other").values_list("endpoint", flat=True)) == {
        picky.pk,
        curious.pk,
    }


def test_failures_are_tried_again_on_the_published_schedule_and_then_given_up(endpoint, acme, receiver):
    receiver.status = 503
    announce(acme)
    now, waits = NOW, []
    for _ in range(delivery.MOST_TRIES):
        deliver(now)
        row = Delivery.objects.get()
        waits.append((row.not_before - now).total_seconds())
        Endpoint.objects.update(failing_since=NOW, disabled_at=None, disabled_reason="")
        now = max(row.not_before, now)
    assert Delivery.objects.get().state == "failed"
    assert deliver(now + timedelta(days=9)) == delivery.Delivered()
    asked = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]
    assert all(0.9 * want <= got <= 1.1 * want for want, got in zip(asked, waits, strict=False))
    log = DeliveryAttempt.objects.order_by("number")
    assert [(one.number, one.status, one.answer) for one in log] == [
        (number, 503, "thank you") for number in range(1, delivery.MOST_TRIES + 1)
    ]


def test_jitter_is_the_same_each_time_and_differs_between_deliveries():
    waits = {delivery.wait(delivery_id=number, tries=3) for number in range(50)}
    assert len(waits) > 10
    assert delivery.wait(delivery_id=7, tries=3) == delivery.wait(delivery_id=7, tries=3)


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 404, 500])
def test_everything_but_success_is_a_failure_and_no_redirect_is_followed(endpoint, acme, receiver, status):
    receiver.status, receiver.headers = status, [("Location", receiver.url)]
    announce(acme)
    assert deliver() == delivery.Delivered(taken=0, refused=1)
    assert len(receiver.requests) == 1
    assert Delivery.objects.get().state == "pending"


def test_an_endpoint_that_says_it_is_gone_is_switched_off_at_once(endpoint, acme, receiver):
    receiver.status = 410
    announce(acme)
    deliver()
    endpoint.refresh_from_db()
    assert (endpoint.disabled_at, endpoint.disabled_reason) == (NOW, "It answered 410 Gone.")
    assert acme.mails.get().subject == "A webhook endpoint was switched off"
    assert deliver(NOW + timedelta(days=1)) == delivery.Delivered()


def test_one_that_fails_for_days_is_switched_off_and_gets_what_waited_when_it_is_back(endpoint, acme, receiver):
    receiver.status = 500
    announce(acme)
    deliver()
    later = NOW + delivery.GIVE_UP_AFTER
    deliver(later)
    endpoint.refresh_from_db()
    assert endpoint.disabled_reason == "Nothing was taken for 5 days."
    announce(acme, key="meanwhile", now=later)
    receiver.status = 200
    registry.change(endpoint=endpoint, url=endpoint.url, description="", types=[], is_enabled=True, now=later)
    deliver(later + timedelta(days=1))
    assert set(Delivery.objects.values_list("state", flat=True)) == {"delivered"}


def test_a_success_ends_the_count_of_failures(endpoint, acme, receiver):
    receiver.answers = [500]
    announce(acme)
    deliver()
    assert Endpoint.objects.get().failing_since == NOW
    deliver(NOW + timedelta(minutes=1))
    assert Endpoint.objects.get().failing_since is None


def test_a_failing_endpoint_holds_up_nobody_else(acme, make_customer, receiver):
    rival = make_customer("rival")
    add(acme, "http://127.0.0.1:9/closed")
    add(rival, receiver.url)
    for number in range(3):
        announce(acme, key=f"a{number}")
        announce(rival, key=f"r{number}")
    assert deliver() == delivery.Delivered(taken=3, refused=1)
    assert DeliveryAttempt.objects.filter(delivery__endpoint__customer=acme).count() == 1


def test_a_delivery_that_somebody_else_holds_is_left_alone(endpoint, acme, receiver):
    announce(acme)
    Delivery.objects.update(not_before=NOW + delivery.LEASE)
    assert deliver() == delivery.Delivered()
    assert deliver(NOW + delivery.LEASE) == delivery.Delivered(taken=1)


def test_a_replay_sends_the_same_message_again(endpoint, acme, receiver):
    announce(acme)
    deliver()
    (told,) = Announcement.objects.all()
    delivery.replay(endpoint=endpoint, message_id=told.message_id, now=NOW + timedelta(hours=1))
    deliver(NOW + timedelta(hours=1))
    assert [headers["webhook-id"] for _, headers, _ in receiver.requests] == [told.message_id] * 2
    assert DeliveryAttempt.objects.count() == 2
    with pytest.raises(UnknownDeliveryError):
        delivery.replay(endpoint=endpoint, message_id="msg_unknown", now=NOW)


def test_the_answer_that_is_kept_is_bounded(endpoint, acme, receiver):
    receiver.body = b"x" * 5_000_000
    announce(acme)
    assert deliver().taken == 1
    assert len(DeliveryAttempt.objects.get().answer) == transport.KEPT_BYTES


def test_an_endpoint_that_never_ends_is_cut_off(endpoint, acme, settings, monkeypatch):
    monkeypatch.setattr(transport, "TOTAL_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(NotDeliveredError, match="within 1 s"):
            transport.post(url=url, body=b"{}", headers={}, allows_private=True)


PRIVATE = [
    *("https://127.0.0.1/", "https://localhost.localdomain.invalid@10.0.0.1/", "https://10.1.2.3/", "https://[::1]/"),
    *("https://192.168.1.1/", "https://169.254.169.254/latest/meta-data", "https://172.16.0.9/", "https://0.0.0.0/"),
    *("https://100.64.0.1/", "https://[fe80::1]/", "https://[fd00::1]/", "https://[::ffff:127.0.0.1]/"),
    *("https://2130706433/", "https://0x7f.1/", "https://127.1/", "https://[64:ff9b::7f00:1]/", "https://224.0.0.1/"),
    *("https://[2002:7f00:1::]/", "http://hooks.example/", "ftp://hooks.example/", "https://u:p@hooks.example/"),
    *("https://hooks.example/#part", "https:///path", "hooks.example", "https://hooks.example:99999/", "https://a b/"),
    *("https://hooks.example/" + "x" * 500, "https://hooks.example/ü"),
]


@pytest.mark.parametrize("url", PRIVATE)
def test_an_address_inside_or_out_of_form_is_refused(acme, url):
    with pytest.raises(EndpointAddressError) as refused:
        add(acme, url)
    assert refused.value.members == {"errors": [{"pointer": "/url", "detail": str(refused.value)}]}


@pytest.mark.parametrize(
    "numeric", ["127.0.0.1", "10.0.0.8", "169.254.169.254", "::1", "::ffff:10.0.0.8", "fe80::1%eth0", "100.64.0.1"]
)
def test_a_name_that_leads_inside_is_refused_when_it_is_resolved(monkeypatch, numeric):
    family = socket.AF_INET6 if ":" in numeric else socket.AF_INET
    answers = [(socket.AF_INET, 1, 6, "", ("93.184.216.34", 443)), (family, 1, 6, "", (numeric, 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)
    with pytest.raises(NotDeliveredError, match="private network"):
        transport.post(url="https://hooks.example/", body=b"{}", headers={}, allows_private=False)


def test_the_resolved_address_is_the_one_connected_to_whatever_the_name_says_later(receiver, monkeypatch):
    port = int(receiver.url.split(":")[2].split("/")[0])
    resolved, connected = [], []
    real = socket.create_connection

    def resolve(host, *_, **__):
        resolved.append(host)
        return [(socket.AF_INET, 1, 6, "", ("127.0.0.1", port))]

    def connect(address, *rest, **more):
        connected.append(address)
        monkeypatch.undo()  # the real resolver, which does not know the name
        return real(address, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", connect)
    answer = transport.post(url=f"http://rebinds.example:{port}/x", body=b"{}", headers={}, allows_private=True)
    assert (answer.status, resolved, connected) == (200, ["rebinds.example"], [("127.0.0.1", port)])
    assert receiver.requests[0][1]["Host"] == f"rebinds.example:{port}"


def test_types_that_there_are_not_and_too_many_endpoints_are_refused(acme):
    with pytest.raises(EndpointTypeError, match=r"invoice\.eaten"):
        add(acme, types=["invoice.eaten"])
    for _ in range(registry.MOST):
        add(acme)
    with pytest.raises(EndpointLimitError):
        add(acme)


def test_one_that_was_taken_away_is_told_nothing_more(endpoint, acme, receiver):
    announce(acme)
    assert registry.remove(endpoint=endpoint, now=NOW)
    assert not registry.remove(endpoint=endpoint, now=NOW)
    announce(acme, key="later")
    assert deliver() == delivery.Delivered()
    assert Delivery.objects.count() == 1


def test_findings_of_devices_are_told_once(endpoint, acme, receiver):
    device = SigningDevice().enrol(acme)
    for kind in ("gap", "fork"):
        DeviceFinding.objects.create(device=device, kind=kind, epoch=1, first=5, last=9, seen_at=NOW, detail="5 to 9")
    assert [devices.tell_findings(now=NOW), devices.tell_findings(now=NOW)] == [2, 0]
    deliver()
    told = [json.loads(body) for _, _, body in receiver.requests]
    assert [(one["type"], one["data"]["device"], one["data"]["first"]) for one in told] == [
        ("device.gap", "edge-1", 5),
        ("device.fork", "edge-1", 5),
    ]


def test_announcements_and_the_log_cannot_be_changed(endpoint, acme, receiver):
    announce(acme)
    deliver()
    for rows in (Announcement.objects.all(), DeliveryAttempt.objects.all()):
        with pytest.raises(DatabaseError), transaction.atomic():
            rows.delete()
    with pytest.raises(DatabaseError), transaction.atomic():
        Announcement.objects.update(body="{}")
