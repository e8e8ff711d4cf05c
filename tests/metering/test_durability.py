"""Server and database are killed under load, again and again: what was acknowledged is there, once, and is counted.

DURABILITY_ROUNDS=20 for the long run; each round kills the web server, the database, and both at once.
"""

import logging
import random
import tempfile
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import connection

from config.env import number
from metering import audit, fold, usage
from metering.models import Batch, Event, EventKey, StoredEvent
from metering.seeds import COMPUTE, TURN
from tests.factories import api_key, customer
from tests.metering.outages import DEADLINE_SECONDS, Answer, Sender, Service, wait_until

ROUNDS = number("DURABILITY_ROUNDS", 3)
pytestmark = pytest.mark.xdist_group("durability")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Aftermath:
    """Who sent what to the service, and the service when all had come to rest."""

    service: Service
    began: datetime
    acme: int
    rival: int
    stubborn: list[Sender]
    hasty: list[Sender]
    health: list[Answer]  # while the database was away

    @property
    def answers(self) -> Counter[Answer]:
        """How often each status came, with its Retry-After."""
        return Counter(answer for one in self.stubborn + self.hasty for answer in one.answers)


@pytest.fixture(scope="module")
def service():
    """A service in a folder of its own: pytest's become private whenever pytest starts, here or elsewhere."""
    with tempfile.TemporaryDirectory(prefix="agentmeter-") as folder, pytest.MonkeyPatch.context() as patch:
        patch.delenv("DATABASE_URL", raising=False)
        patch.delenv("REDIS_URL", raising=False)
        home = Path(folder)
        home.chmod(0o755)  # the servers' user must pass through
        service = Service(home)
        try:
            service.manage("migrate")
            service.start_web()
            yield service
        finally:
            service.stop()


@pytest.fixture(scope="module")
def aftermath(service, django_db_blocker):
    """The load, the outages, and the end of both. Two senders send the same, as a queue that delivers twice does."""
    began = datetime.now(UTC) - timedelta(hours=1)
    with service.connected(django_db_blocker):
        acme, rival = customer("acme"), customer("rival")
        keys = {one.pk: api_key(one) for one in (acme, rival)}
    stubborn = [
        Sender(url=service.web_url, key=keys[acme.pk], name=name, began=began) for name in ("a", "twin", "twin", "b")
    ]
    hasty = [Sender(url=service.web_url, key=keys[rival.pk], name="h", began=began, stubborn=False)]
    senders = stubborn + hasty
    for one in senders:
        one.start()
    try:
        health = [_go_through_a_round(service, senders, random.Random(place)) for place in range(ROUNDS)]
        _let_some_through(senders, 20)
    finally:
        for one in senders:
            one.leave()
        for one in senders:
            one.join(DEADLINE_SECONDS)
    assert [one.trouble or one.is_alive() for one in senders] == [False] * len(senders)
    found = Aftermath(service, began, acme.pk, rival.pk, stubborn, hasty, health)
    _tell(found)
    return found


def _tell(found):
    """Log what happened, for the long run (-o log_cli=true -o log_cli_level=INFO)."""
    everybody = found.stubborn + found.hasty
    told = Counter(line["verdict"] for one in everybody for sent in one.sent for line in sent.verdicts or ())
    given_up = sum(not sent.verdicts for one in everybody for sent in one.sent)
    log.info("%d rounds: answers %s", ROUNDS, dict(found.answers))
    log.info("Requests %d, given up %d; events %s", sum(len(one.sent) for one in everybody), given_up, dict(told))


def _go_through_a_round(service, senders, chance):
    """Kill in the middle of the load, wait until it is felt, and bring back what was killed; returns the health."""
    _let_some_through(senders, chance.randint(20, 40))
    before = _count(senders, None)
    service.kill_web()
    wait_until(lambda: _count(senders, None) > before, what="A request without an answer")
    service.start_web()

    _let_some_through(senders, chance.randint(20, 40))
    before = _count(senders, 503)
    service.kill_database()
    wait_until(lambda: _count(senders, 503) > before, what="A 503")
    health = service.health()
    service.start_database()

    _let_some_through(senders, chance.randint(20, 40))
    service.kill_database()
    service.kill_web()
    service.start_database()
    service.start_web()
    return health


def _let_some_through(senders, requests):
    """Wait until so many more requests are acknowledged."""
    wanted = requests + sum(one.acknowledged for one in senders)

    def are_through():
        assert not any(one.trouble for one in senders), [one.trouble for one in senders]
        return sum(one.acknowledged for one in senders) >= wanted

    wait_until(are_through, what="Requests are acknowledged")


def _count(senders, status):
    return sum(one.answers.count((status, None)) + one.answers.count((status, "5")) for one in senders)


@pytest.fixture
def database(aftermath, django_db_blocker):
    """Its database, under Django's models."""
    with aftermath.service.connected(django_db_blocker):
        yield


def acknowledged(senders):
    """The events of acknowledged requests, by source and id."""
    return {name: event for one in senders for sent in one.sent if sent.verdicts for name, event in sent.events.items()}


def stored(customer_id):
    """Source and id of each stored event, and what its data are."""
    rows = Event.objects.filter(customer_id=customer_id).values_list("source", "event_id", "data")
    return [((source, event_id), data) for source, event_id, data in rows]


def test_every_answer_acknowledges_or_says_when_to_try_again(aftermath):
    assert set(aftermath.answers) == {(200, None), (503, "5"), (None, None)}


def test_its_health_says_that_the_database_is_away(aftermath):
    assert aftermath.health == [(503, "5")] * ROUNDS


def test_an_acknowledgement_tells_of_each_event_that_it_is_there(aftermath):
    for one in aftermath.stubborn + aftermath.hasty:
        for sent in filter(lambda sent: sent.verdicts, one.sent):
            assert [(told["source"], told["id"]) for told in sent.verdicts] == list(sent.events)
            assert {told["verdict"] for told in sent.verdicts} <= {"accepted", "duplicate"}


@pytest.mark.usefixtures("database")
def test_the_database_was_asked_to_be_durable():
    with connection.cursor() as cursor:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            cursor.execute(f"SHOW {setting}")
            assert cursor.fetchone() == ("on",)


@pytest.mark.usefixtures("database")
def test_every_acknowledged_event_is_stored_exactly_once_as_it_was_sent(aftermath):
    sent, found = acknowledged(aftermath.stubborn), stored(aftermath.acme)
    assert len(sent) > 100 * ROUNDS
    assert len(found) == len(dict(found))
    assert dict(found) == {name: event["data"] for name, event in sent.items()}


@pytest.mark.usefixtures("database")
def test_a_request_that_was_given_up_is_stored_whole_or_not_at_all(aftermath):
    found, requests = stored(aftermath.rival), [sent for one in aftermath.hasty for sent in one.sent]
    names = {name for name, _ in found}
    assert len(found) == len(names)
    assert any(sent.verdicts is None for sent in requests)
    for sent in requests:
        there = names & sent.events.keys()
        assert there == sent.events.keys() or (not there and sent.verdicts is None)


@pytest.mark.usefixtures("database")
def test_every_stored_event_has_its_batch_and_its_key():
    batches = dict(Batch.objects.values_list("id", "event_count"))
    assert Counter(StoredEvent.objects.values_list("batch_id", flat=True)) == batches
    assert Counter(EventKey.objects.values_list("batch_id", flat=True)) == batches
    assert Event.objects.count() == StoredEvent.objects.count()
    assert audit.shortfalls() == []


@pytest.mark.usefixtures("database")
def test_usage_is_what_the_acknowledged_events_add_up_to(aftermath):
    fold.fold_all(now=datetime.now(UTC))
    assert fold.check() == []
    sent = acknowledged(aftermath.stubborn).values()
    milliseconds = sum(event["data"]["milliseconds"] for event in sent if event["type"] == COMPUTE)
    assert quantity(aftermath, "turns") == sum(event["type"] == TURN for event in sent)
    assert quantity(aftermath, "compute-seconds") == Decimal(milliseconds) / 1000


def quantity(aftermath, meter):
    begun = aftermath.began
    return usage.quantity(
        customer_id=aftermath.acme, meter=meter, starts_at=begun - timedelta(hours=1), ends_at=begun + timedelta(days=1)
    )
