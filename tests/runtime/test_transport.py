"""The transport: what each answer of a service means, and that only a commitment is believed."""

import pytest

from runtime.errors import DeliveryGaveUpError, DeliveryRefusedError
from runtime.transport import Transport
from tests.runtime.conftest import make_events
from tests.runtime.delivery import HTML, patience, problem, send


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 415, 422])
def test_a_refusal_stops_says_why_and_keeps_everything(open_spool, service, transport, status):
    spool = open_spool()
    spool.append(make_events(3))
    service.faults.append(problem(status, title="No", detail="the reason"))

    with pytest.raises(DeliveryRefusedError, match=f"{status}: No the reason"):
        send(spool, transport)
    assert len(service.headers_seen) == 1
    assert spool.status().unsent == 3


def test_a_refused_key_says_what_to_check(open_spool, service, transport):
    spool = open_spool()
    spool.append(make_events(1))
    service.faults.append(problem(401, title="Unknown key"))

    with pytest.raises(DeliveryRefusedError, match="check the API key"):
        send(spool, transport)


def test_a_redirect_is_not_followed_and_says_where_it_leads(open_spool, service, transport):
    spool = open_spool()
    spool.append(make_events(1))
    service.faults.append((301, {"Location": "https://elsewhere.example/"}, ""))

    with pytest.raises(DeliveryRefusedError, match=r"redirects to https://elsewhere\.example/"):
        send(spool, transport)


@pytest.mark.parametrize(
    "answer",
    [
        HTML,
        (200, {}, "[]"),
        problem(200, device={"epoch": 2, "sequence": 3}, accepted=3, duplicate=0, conflict=0, rejected=0),
        problem(200, device={"epoch": 1, "sequence": 2}, accepted=3, duplicate=0, conflict=0, rejected=0),
        problem(200, device={"epoch": 1, "sequence": 3}, accepted="3", duplicate=0, conflict=0, rejected=0),
        problem(200, device={"epoch": 1, "sequence": 3}),
    ],
)
def test_a_200_that_does_not_say_committed_is_not_believed(open_spool, service, transport, answer):
    spool = open_spool()
    spool.append(make_events(3))
    service.faults.append(answer)

    with pytest.raises(DeliveryGaveUpError, match="200, but"):
        send(spool, transport, patience=patience(attempts=1))
    assert spool.status().unsent == 3


@pytest.mark.parametrize(("url", "key"), [("ftp://x", "k"), ("", "k"), ("http://x", " "), ("http://x", "schlüssel")])
def test_an_address_or_a_key_that_cannot_work_is_refused_at_once(url, key):
    with pytest.raises(ValueError, match=r"^(url|key):"):
        Transport(url=url, api_key=key)
