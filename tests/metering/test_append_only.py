"""What was received can neither be changed nor deleted, by anyone."""

import pytest
from django.db import DatabaseError, transaction
from django.db.utils import InternalError

from metering.models import Batch, Event, EventKey, Fold, Meter, Origin, Refusal, StoredEvent
from tests.metering.factories import LATER, compute, fold_now, send, turn

pytestmark = pytest.mark.django_db


@pytest.fixture
def received():
    send(turn(), compute(-1))
    fold_now()


def refused(operation):
    with pytest.raises((InternalError, DatabaseError), match="pgtrigger: Cannot"), transaction.atomic():
        operation()


@pytest.mark.parametrize("model", [StoredEvent, EventKey, Origin, Batch, Refusal, Fold])
def test_a_row_cannot_be_deleted(received, model):
    refused(lambda: model.objects.all()._raw_delete("default"))


@pytest.mark.parametrize(
    ("model", "change"),
    [
        (StoredEvent, {"time": LATER}),
        (Origin, {"subject": "x"}),
        (EventKey, {"batch_id": 0}),
        (Refusal, {"detail": "x"}),
        (Fold, {"events": 0}),
        (Batch, {"event_count": 9}),
        (Batch, {"fold": None}),
        (Meter, {"scale": 2}),
    ],
)
def test_a_row_cannot_be_changed(received, model, change):
    refused(lambda: model.objects.update(**change))


def test_what_is_read_as_an_event_cannot_be_written():
    send(turn())
    with pytest.raises(DatabaseError, match="cannot delete from view"), transaction.atomic():
        Event.objects.all()._raw_delete("default")
    with pytest.raises(DatabaseError, match="cannot update view"), transaction.atomic():
        Event.objects.update(place=1)


def test_a_batch_is_folded_once(received):
    other = Fold.objects.create(folded_at=LATER, batches=0, events=0)
    refused(lambda: Batch.objects.update(fold=other))


def test_a_meter_may_get_another_name():
    assert Meter.objects.filter(key="turns").update(name="Turns of agents") == 1
