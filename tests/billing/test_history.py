"""History of prices: every edit with who, when, before and after; by triggers, so that raw SQL is in it, too."""

from datetime import timedelta

import pghistory
import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection, transaction
from django.db.utils import ProgrammingError

from billing import catalog, history
from billing.models import PlanVersion, RateCard
from tests.billing.conftest import MAY
from tests.billing.test_simulate import offer


@pytest.fixture
def committed_draft(committed):
    return catalog.import_plan(document=offer("next", turn="0.05", base="3.00"), now=MAY)


def test_an_edit_says_who_changed_what_from_what_to_what(committed_draft):
    with pghistory.context(user=7, name="ada", address="/admin/x"):
        catalog.import_plan(document=offer("next", turn="0.04", base="3.00"), now=MAY + timedelta(hours=1))
    edit = history.edits(version=committed_draft)[0]
    assert (edit.actor, edit.address) == ("ada", "/admin/x")
    assert [(one.subject, one.field, one.before, one.after) for one in edit.changes] == [
        (
            "turns",
            "prices",
            {"EUR": {"kind": "unit", "amount": "0.05"}},
            {"EUR": {"kind": "unit", "amount": "0.04"}},
        )
    ]


def test_the_newest_edit_comes_first_and_the_first_is_the_making(committed_draft):
    catalog.import_plan(document=offer("next", turn="0.04", base="3.00"), now=MAY)
    catalog.publish(version=committed_draft, now=MAY)
    published, _, made = history.edits(version=committed_draft)
    assert {"version"} == {one.subject for one in published.changes}
    assert all(one.before is None for one in made.changes)
    assert {"version", "base", "turns"} == {one.subject for one in made.changes}


def test_a_card_that_was_taken_out_has_nothing_after(committed_draft):
    catalog.import_plan(document=offer("next", turn="0.05"), now=MAY)
    gone = [one for one in history.edits(version=committed_draft)[0].changes if one.subject == "base"]
    assert gone
    assert all(one.after is None for one in gone)


def test_an_edit_that_changes_nothing_is_not_shown(committed_draft):
    catalog.import_plan(document=offer("next", turn="0.05", base="3.00"), now=MAY)
    assert len(history.edits(version=committed_draft)) == 1


def test_what_is_changed_past_the_service_is_in_the_history_too(committed_draft):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE billing_ratecard SET name = 'Sneaky' WHERE key = 'base'")
    (change,) = history.edits(version=committed_draft)[0].changes
    assert (change.field, change.before, change.after) == ("name", "Base fee", "Sneaky")
    assert history.edits(version=committed_draft)[0].actor == ""


@pytest.mark.parametrize("model", ["planevent", "planversionevent", "ratecardevent"])
def test_the_history_itself_cannot_be_changed(committed_draft, model):
    table = apps.get_model("billing", model)
    assert table.objects.exists()
    for change in (lambda: table.objects.update(pgh_label="x"), lambda: table.objects.all().delete()):
        with pytest.raises(ProgrammingError, match="Cannot"), transaction.atomic():
            change()


def test_a_draft_that_is_replaced_keeps_its_row(committed_draft):
    catalog.import_plan(document=offer("next", turn="0.01"), now=MAY)
    assert PlanVersion.objects.get().pk == committed_draft.pk
    assert RateCard.objects.count() == 1


def test_an_import_on_the_server_says_who_did_it(committed, monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "root-of-the-yard")
    call_command("import_plan", str(catalog.PLANS / "seats.toml"))
    (edit,) = history.edits(version=PlanVersion.objects.get())
    assert (edit.actor, edit.address) == ("root-of-the-yard", "manage.py import_plan")


def test_a_first_installation_publishes_without_staff_and_the_history_says_so(committed, monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "root-of-the-yard")
    call_command("import_plan", str(catalog.PLANS / "seats.toml"), "--publish")
    (edit,) = history.edits(version=PlanVersion.objects.get())
    assert edit.address == "manage.py import_plan --publish, before there were staff users"
