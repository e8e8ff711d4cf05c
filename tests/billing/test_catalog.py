"""The catalogue: documents are checked field by field, come in once, and are frozen when published."""

import copy
import tomllib

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from billing import catalog
from billing.errors import PlanDocumentError, PlanError, PlanNotPublishedError, PlanVersionConflictError
from billing.models import Approval, PlanVersion, RateCard
from billing.models.catalog import VersionStatus
from tests.billing.conftest import JUNE, MAY

CARD = {"key": "turns", "name": "Turns", "meter": "turns", "unit": "turn", "price": {"kind": "unit", "amount": "0.02"}}
FEE = {"key": "base", "name": "Base", "unit": "month", "price": {"kind": "flat", "amount": "49"}}
PLAN = {"plan": "basic", "name": "Basic", "version": 1, "currency": "EUR", "rate_cards": [CARD, FEE]}


def take(now=MAY, **changes):
    return catalog.import_plan(document=copy.deepcopy(PLAN | changes), now=now)


def test_every_shipped_plan_comes_in_and_again_changes_nothing(db):
    first = [catalog.publish(version=catalog.import_plan(document=one, now=MAY), now=MAY) for one in catalog.shipped()]
    again = [catalog.import_plan(document=one, now=JUNE) for one in catalog.shipped()]
    assert [version.pk for version in first] == [version.pk for version in again]
    assert {version.plan.key for version in first} == {"seats", "compute", "activity", "hybrid"}
    assert {version.created_at for version in again} == {MAY}


def test_cards_come_back_as_they_were_written(db):
    cards = [CARD | {"allowance": "0.5", "divide_by": "1000", "rounding": "up"}, FEE | {"prorated": False}]
    turns, base = catalog.cards_of(take(rate_cards=cards))
    assert (str(turns.allowance), str(turns.divide_by), turns.rounding) == ("0.500000000", "1000.000000000", "up")
    assert (base.meter, base.prorated) == ("", False)


def test_a_draft_is_replaced_by_a_document_with_its_number(db):
    first = take()
    second = take(rate_cards=[FEE], currency="USD")
    assert first.pk == second.pk
    assert [card.key for card in catalog.cards_of(second)] == ["base"]
    assert PlanVersion.objects.get().currencies == ["USD"]


def test_a_published_version_is_never_replaced(db):
    published = catalog.publish(version=take(), now=MAY)
    assert take().pk == published.pk
    with pytest.raises(PlanVersionConflictError, match="published"):
        take(rate_cards=[FEE])
    assert take(version=2, rate_cards=[FEE]).status == VersionStatus.DRAFT


def test_publishing_twice_keeps_the_first_time(db):
    version = catalog.publish(version=take(), now=MAY)
    assert catalog.publish(version=version, now=JUNE).published_at == MAY


def test_an_archived_version_is_not_published_again(db):
    version = catalog.publish(version=take(), now=MAY)
    PlanVersion.objects.filter(pk=version.pk).update(status=VersionStatus.ARCHIVED)
    with pytest.raises(PlanNotPublishedError):
        catalog.publish(version=version, now=JUNE)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"plan": "Basic Plan"}, "plan"),
        ({"plan": ""}, "plan"),
        ({"name": 7}, "name"),
        ({"name": "n" * 101}, "name"),
        ({"version": "1"}, "version"),
        ({"version": 0}, "version"),
        ({"version": True}, "version"),
        ({"currency": "XYZ"}, "currency"),
        ({"interval": "fortnight"}, "interval"),
        ({"colour": "red"}, "colour"),
        ({"rate_cards": []}, "rate_cards"),
        ({"rate_cards": {}}, "rate_cards"),
        ({"rate_cards": ["turns"]}, "rate_cards[0]"),
        ({"rate_cards": [CARD, CARD]}, "rate_cards[1].key"),
        ({"rate_cards": [CARD | {"meter": "miles"}]}, "rate_cards[0].meter"),
        ({"rate_cards": [CARD | {"meter": ["turns"]}]}, "rate_cards[0].meter"),
        ({"rate_cards": [CARD | {"tax": "19"}]}, "rate_cards[0].tax"),
        ({"rate_cards": [CARD | {"unit": "u" * 41}]}, "rate_cards[0].unit"),
        ({"rate_cards": [CARD | {"rounding": "sideways"}]}, "rate_cards[0].rounding"),
        ({"rate_cards": [CARD | {"divide_by": "0"}]}, "rate_cards[0].divide_by"),
        ({"rate_cards": [CARD | {"divide_by": 1000}]}, "rate_cards[0].divide_by"),
        ({"rate_cards": [CARD | {"allowance": "0.0000000001"}]}, "rate_cards[0].allowance"),
        ({"rate_cards": [CARD | {"per_period": "yes"}]}, "rate_cards[0].per_period"),
        ({"rate_cards": [CARD | {"prorated": False}]}, "rate_cards[0].prorated"),
        ({"rate_cards": [CARD | {"filters": ["cpu"]}]}, "rate_cards[0].filters"),
        ({"rate_cards": [CARD | {"filters": {"colour": ["red"]}}]}, "rate_cards[0].filters.colour"),
        ({"rate_cards": [CARD | {"filters": {"agent": "a"}}]}, "rate_cards[0].filters.agent"),
        ({"rate_cards": [FEE | {"allowance": "1"}]}, "rate_cards[0].allowance"),
        ({"rate_cards": [CARD | {"price": "0.02"}]}, "rate_cards[0].price"),
        ({"rate_cards": [CARD | {"price": {"kind": "unit", "amount": 1}}]}, "rate_cards[0].price.amount"),
        (
            {"rate_cards": [FEE, CARD | {"price": {"kind": "graduated", "tiers": [{"up_to": "5", "unit": "1"}]}}]},
            "rate_cards[1].price.tiers[0].up_to",
        ),
    ],
)
def test_a_wrong_document_names_the_field_and_leaves_nothing(db, changes, field):
    with pytest.raises(PlanError) as caught:
        take(**changes)
    assert str(caught.value).startswith(f"{field}: ")
    assert not RateCard.objects.exists()


@pytest.mark.parametrize("missing", ["plan", "name", "version", "currency", "rate_cards"])
def test_a_missing_field_is_named(db, missing):
    with pytest.raises(PlanDocumentError) as caught:
        catalog.import_plan(document={name: value for name, value in PLAN.items() if name != missing}, now=MAY)
    assert caught.value.field == missing


def test_the_command_takes_the_shipped_plans(db, capsys):
    call_command("import_plan", publish=True)
    assert capsys.readouterr().out.splitlines()[0] == "activity version 2: published"
    assert PlanVersion.objects.filter(status=VersionStatus.PUBLISHED).count() == 4


class TestPublishingOnTheServer:
    """By two people, once there are any."""

    @pytest.fixture
    def people(self, db):
        return [User.objects.create_superuser(name) for name in ("anna", "boris")]

    @staticmethod
    def publish(*options):
        call_command("import_plan", str(catalog.PLANS / "seats.toml"), "--publish", *options)

    def test_one_proposes_and_another_publishes(self, people):
        self.publish("--by", "anna", "--published-by", "boris", "--reason", "the spring prices")
        assert PlanVersion.objects.get().status == VersionStatus.PUBLISHED
        approval = Approval.objects.get()
        assert (approval.proposer.username, approval.reason, approval.state) == (
            "anna",
            "the spring prices",
            "approved",
        )
        assert approval.approver is not None
        assert approval.approver.username == "boris"
        self.publish("--by", "anna", "--published-by", "boris")  # again changes nothing
        assert Approval.objects.count() == 1

    @pytest.mark.parametrize(
        ("options", "named"),
        [
            ((), "--by"),
            (("--by", "anna"), "--published-by"),
            (("--published-by", "boris"), "--by"),
            (("--by", "anna", "--published-by", "anna"), "--published-by: a second person"),
            (("--by", "anna", "--published-by", "nobody"), "--published-by: nobody is no staff user"),
            (("--by", "anna", "--published-by", "clara"), "--published-by: clara is no staff user who may"),
        ],
    )
    def test_without_a_second_person_nothing_is_published_or_kept(self, people, options, named):
        User.objects.create_user("clara", is_staff=True)
        with pytest.raises(CommandError, match=named):
            self.publish(*options)
        assert not PlanVersion.objects.exists()

    def test_a_draft_needs_nobody(self, people):
        call_command("import_plan", str(catalog.PLANS / "seats.toml"))
        assert PlanVersion.objects.get().status == VersionStatus.DRAFT


def test_the_command_names_the_file_that_is_wrong(db, tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text("plan = ")
    with pytest.raises(CommandError, match=r"plan\.toml"):
        call_command("import_plan", path)


def test_the_document_in_the_readme_comes_in(db):
    readme = (catalog.PLANS.parent / "README.md").read_text(encoding="utf-8")
    document = tomllib.loads(readme.split("```toml\n")[1].split("```")[0])
    assert catalog.import_plan(document=document, now=MAY).rate_cards.count() == 1


def test_a_peak_is_not_split_by_a_matrix_because_its_parts_do_not_make_the_whole(db):
    unit = {"kind": "unit", "amount": "1"}
    by_class = {"kind": "matrix", "rows": [{"match": {"hardware_class": "gpu"}, "price": unit}], "default": unit}
    with pytest.raises(PlanDocumentError, match=r"rate_cards\[0\].price: splits the meter 'decision-peak'"):
        take(rate_cards=[CARD | {"meter": "decision-peak", "price": by_class}])
    assert PlanVersion.objects.count() == 0
    capacity = CARD | {"meter": "decision-peak", "price": {"kind": "capacity", "price": unit}}
    take(rate_cards=[capacity | {"filters": {"hardware_class": ["gpu"]}}])
