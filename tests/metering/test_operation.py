"""What an operator uses: the background task, the check, the admin."""

import io

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.urls import reverse

from metering import backfill, corrections, fold, meters, tasks, usage
from metering.aggregation import AGGREGATIONS
from metering.models import Batch, Event, Fold, Meter, Refusal, Void, Window
from metering.rules import Filter, Rule
from metering.seeds import TURN
from tests.metering.factories import LATER, compute, fold_now, send, turn

pytestmark = pytest.mark.django_db


def test_the_task_folds_what_waits():
    send(turn())
    before = usage.latest_fold()
    tasks.fold()
    assert usage.latest_fold() > before
    assert not Batch.objects.filter(fold=None).exists()


def test_the_check_says_that_all_is_well():
    send(turn())
    fold_now()
    out = io.StringIO()
    call_command("check_usage", stdout=out)
    assert out.getvalue().splitlines() == [
        "customer 1: 1 events: 0 pending, 1 counted, 0 test, 0 shadow, 0 voided, 0 unmatched",
        "Every window is what its events add up to, and every accepted event is stored.",
    ]


def test_the_check_fails_naming_what_differs():
    send(turn())
    fold_now()
    Window.objects.filter(width=3600).update(total=5)
    out = io.StringIO()
    with pytest.raises(CommandError, match="1 faults"):
        call_command("check_usage", stdout=out)
    assert "turns customer 1 2026-11-20T12:00:00+00:00 3600 s production all: windows" in out.getvalue()


def test_the_check_fails_where_an_accepted_event_is_not_stored():
    send(turn())
    Batch.objects.create(customer_id=1, received_at=LATER, digest=b"", event_count=2)
    out = io.StringIO()
    with pytest.raises(CommandError, match="1 faults"):
        call_command("check_usage", stdout=out)
    assert "customer 1: 3 events were accepted, 1 are stored" in out.getvalue()


def young_meter():
    send(turn())
    fold_now()
    return meters.define(rule=Rule("young", "Young", "turn", TURN, AGGREGATIONS["count"])).key


def test_the_task_fills_young_meters():
    key = young_meter()
    assert backfill.incomplete() == (key,)
    tasks.fill_meters()
    assert backfill.incomplete() == ()


def test_the_command_fills_young_meters_or_makes_any_anew_and_says_how_far_it_is():
    key = young_meter()
    for arguments in ([], ["young", "--anew"], ["young"]):
        out = io.StringIO()
        call_command("fill_meters", *arguments, stdout=out)
        assert out.getvalue() == f"{key}: 1 of 1 events\nEvery window asked for is filled.\n"
    assert fold.check() == []
    with pytest.raises(CommandError, match="Name the meters"):
        call_command("fill_meters", "--anew")
    with pytest.raises(CommandError, match="miles"):
        call_command("fill_meters", "miles")


@pytest.fixture
def operator(client):
    client.force_login(get_user_model().objects.create_superuser("root", password="x"))
    return client


@pytest.mark.urls("tests.metering.urls")
@pytest.mark.parametrize("model", [Meter, Batch, Event, Fold, Refusal, Void])
def test_the_admin_shows_everything_and_changes_nothing_that_was_received(operator, model):
    event = turn()
    send(event, compute(-1))
    corrections.void(customer_id=1, source=event.source, event_id=event.id, actor="a", reason="b", now=LATER)
    fold_now()
    name = f"admin:metering_{model._meta.model_name}"
    assert operator.get(reverse(f"{name}_changelist")).status_code == 200
    assert operator.get(reverse(f"{name}_changelist"), {"q": "1"}).status_code == 200
    row = model.objects.first()
    page = operator.get(reverse(f"{name}_change", args=[row.pk]))
    assert page.status_code == 200
    assert operator.get(reverse(f"{name}_add")).status_code == (200 if model is Meter else 403)
    assert operator.post(reverse(f"{name}_delete", args=[row.pk])).status_code == 403
    assert operator.post(reverse(f"{name}_change", args=[row.pk]), {"name": "x"}).status_code == 403


@pytest.mark.urls("tests.metering.urls")
def test_an_event_is_taken_back_in_the_admin_with_a_reason(operator):
    event = turn()
    send(event)
    row = Event.objects.get()
    form = {"action": "take_back", "_selected_action": [row.pk], "index": "0"}
    answer = operator.post(reverse("admin:metering_event_changelist"), form, follow=True)
    assert "reason" in answer.content.decode()
    assert not Void.objects.exists()
    operator.post(reverse("admin:metering_event_changelist"), form | {"reason": "a test of ours"})
    assert [(one.actor, one.reason) for one in Void.objects.all()] == [("user:root", "a test of ours")]


FORM = {
    "key": "answers",
    "name": "Answers",
    "unit": "answer",
    "event_type": TURN,
    "aggregation": "count",
    "scale": "1",
    "dimensions": "agent\n\ndevice",
    "filters": '[{"field": "outcome", "operator": "in", "values": ["answered"]}]',
}


@pytest.mark.urls("tests.metering.urls")
def test_a_meter_is_defined_in_the_admin_and_archived_there(operator):
    answer = operator.post(reverse("admin:metering_meter_add"), FORM)
    assert answer.status_code == 302
    rule = meters.find(key="answers")
    assert (rule.dimensions, rule.filters) == (("agent", "device"), (Filter("outcome", ("answered",)),))
    row = Meter.objects.get(key="answers")
    form = {"action": "archive", "_selected_action": [row.pk], "index": "0"}
    operator.post(reverse("admin:metering_meter_changelist"), form)
    assert meters.find(key="answers").is_archived


@pytest.mark.urls("tests.metering.urls")
@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"key": "No Slug"}, "key", ""),
        ({"key": "turns"}, "key", "already exists"),
        ({"value_field": "n"}, "value_field", "A count counts events"),
        ({"aggregation": "sum"}, "value_field", "needs the field"),
        ({"filters": "{"}, "filters", "valid JSON"),
        ({"filters": '[{"field": "a"}]'}, "filters", "field, operator and values"),
        ({"statistic": "p95"}, "statistic", "Only a peak"),
        ({"dimensions": "a\na"}, "dimensions", "a name of its own"),
    ],
)
def test_the_form_names_the_field_that_is_wrong_and_stores_nothing(operator, changes, field, message):
    before = Meter.objects.count()
    answer = operator.post(reverse("admin:metering_meter_add"), FORM | changes)
    assert answer.status_code == 200
    errors = answer.context["adminform"].form.errors
    assert list(errors) == [field]
    assert message in str(errors[field])
    assert Meter.objects.count() == before


@pytest.mark.urls("tests.metering.urls")
def test_the_form_shows_which_stored_events_would_count(operator):
    send(turn(id="counts"), turn(id="fails", outcome="runtime_fault"))
    page = operator.get(reverse("admin:metering_meter_preview"), FORM).content.decode()
    assert "Of the newest 2 events" in page
    assert "<strong>1</strong>" in page
    assert "counts" in page
    assert "no: it does not meet the conditions" in page
    page = operator.get(reverse("admin:metering_meter_preview"), FORM | {"unit": ""}).content.decode()
    assert "Unit: " in page
    page = operator.get(reverse("admin:metering_meter_preview"), FORM | {"event_type": "other"}).content.decode()
    assert "No event of this type" in page
