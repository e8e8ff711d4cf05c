"""What an operator uses: the background task, the check, the admin."""

import io

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.urls import reverse

from metering import tasks, usage
from metering.models import Batch, Event, Fold, Meter, Refusal, Window
from tests.metering.factories import compute, fold_now, send, turn

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
    assert out.getvalue() == "Every window is what its events add up to.\n"


def test_the_check_fails_naming_what_differs():
    send(turn())
    fold_now()
    Window.objects.filter(width=3600).update(total=5)
    out = io.StringIO()
    with pytest.raises(CommandError, match="1 windows differ"):
        call_command("check_usage", stdout=out)
    assert "turns customer 1 2026-11-20T12:00:00+00:00 production" in out.getvalue()


@pytest.mark.urls("tests.metering.urls")
@pytest.mark.parametrize("model", [Meter, Batch, Event, Fold, Refusal])
def test_the_admin_shows_everything_and_changes_nothing(client, model):
    send(turn(), compute(-1))
    fold_now()
    client.force_login(get_user_model().objects.create_superuser("root", password="x"))
    name = f"admin:metering_{model._meta.model_name}"
    assert client.get(reverse(f"{name}_changelist")).status_code == 200
    assert client.get(reverse(f"{name}_changelist"), {"q": "1"}).status_code == 200
    row = model.objects.first()
    page = client.get(reverse(f"{name}_change", args=[row.pk]))
    assert page.status_code == 200
    assert client.get(reverse(f"{name}_add")).status_code == 403
    assert client.post(reverse(f"{name}_delete", args=[row.pk])).status_code == 403
