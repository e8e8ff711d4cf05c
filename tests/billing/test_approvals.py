"""Publication by two people: proposed by one, decided by another, exactly what was proposed, once."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, ProgrammingError, transaction

from billing import approvals, catalog
from billing.errors import ApprovalError
from billing.models import Approval, PlanVersion
from tests.billing.conftest import MAY
from tests.billing.test_simulate import offer

LATER = MAY + timedelta(hours=1)


@pytest.fixture
def ada(db):
    return User.objects.create_user("ada")


@pytest.fixture
def grace(db):
    return User.objects.create_user("grace")


@pytest.fixture
def draft(db):
    return catalog.import_plan(document=offer("next", turn="0.05"), now=MAY)


@pytest.fixture
def proposed(draft, ada):
    return approvals.propose(version=draft, proposer=ada, reason="Cheaper turns win the yards.", now=MAY)


def test_a_second_person_publishes_what_was_proposed(proposed, grace):
    version = approvals.approve(approval=proposed, approver=grace, answer="Agreed.", now=LATER)
    assert (version.status, version.published_at) == ("published", LATER)
    decided = Approval.objects.get()
    assert (decided.state, decided.approver, decided.answer, decided.decided_at) == (
        "approved",
        grace,
        "Agreed.",
        LATER,
    )


def test_nobody_approves_or_refuses_what_they_proposed(proposed, ada):
    with pytest.raises(ApprovalError, match="second person"):
        approvals.approve(approval=proposed, approver=ada, answer="", now=LATER)
    with pytest.raises(ApprovalError, match="second person"):
        approvals.refuse(approval=proposed, approver=ada, answer="No", now=LATER)
    assert PlanVersion.objects.get().status == "draft"


def test_the_database_itself_refuses_one_person_in_both_parts(proposed, ada):
    with pytest.raises(IntegrityError, match="approval_by_a_second_person"), transaction.atomic():
        Approval.objects.update(state="approved", approver=ada, decided_at=LATER)


def test_a_draft_that_was_edited_since_must_be_proposed_anew(proposed, ada, grace):
    catalog.import_plan(document=offer("next", turn="0.04"), now=LATER)
    with pytest.raises(ApprovalError, match="edited after it was proposed"):
        approvals.approve(approval=proposed, approver=grace, answer="", now=LATER)
    approvals.withdraw(approval=proposed, by=ada, now=LATER)
    anew = approvals.propose(version=PlanVersion.objects.get(), proposer=ada, reason="Cheaper yet.", now=LATER)
    assert approvals.approve(approval=anew, approver=grace, answer="", now=LATER).status == "published"


def test_an_edit_that_was_taken_back_is_what_was_proposed(proposed, grace):
    catalog.import_plan(document=offer("next", turn="0.04"), now=LATER)
    catalog.import_plan(document=offer("next", turn="0.05"), now=LATER)
    assert approvals.approve(approval=proposed, approver=grace, answer="", now=LATER).status == "published"


def test_a_refusal_says_why_and_the_draft_can_be_proposed_again(proposed, ada, grace):
    with pytest.raises(ApprovalError, match="Say why"):
        approvals.refuse(approval=proposed, approver=grace, answer=" ", now=LATER)
    assert approvals.refuse(approval=proposed, approver=grace, answer="Too cheap.", now=LATER).state == "refused"
    assert approvals.pending(version=proposed.version) is None
    approvals.propose(version=proposed.version, proposer=grace, reason="After all.", now=LATER)


def test_a_proposal_needs_a_reason_and_a_draft_and_is_one_at_a_time(proposed, draft, ada, grace):
    with pytest.raises(ApprovalError, match="Say why"):
        approvals.propose(version=draft, proposer=ada, reason="  ", now=MAY)
    with pytest.raises(ApprovalError, match="proposed already"):
        approvals.propose(version=draft, proposer=grace, reason="Again.", now=MAY)
    approvals.approve(approval=proposed, approver=grace, answer="", now=LATER)
    with pytest.raises(ApprovalError, match="is no draft"):
        approvals.propose(version=draft, proposer=ada, reason="Again.", now=LATER)


def test_a_decision_is_made_once(proposed, ada, grace):
    approvals.withdraw(approval=proposed, by=ada, now=LATER)
    for decide in (
        lambda: approvals.approve(approval=proposed, approver=grace, answer="", now=LATER),
        lambda: approvals.refuse(approval=proposed, approver=grace, answer="No", now=LATER),
        lambda: approvals.withdraw(approval=proposed, by=ada, now=LATER),
    ):
        with pytest.raises(ApprovalError, match="decided before"):
            decide()
    with pytest.raises(ApprovalError, match="Only the one who proposed"):
        approvals.withdraw(approval=proposed, by=grace, now=LATER)


@pytest.mark.parametrize("column", ["reason", "digest"])
def test_what_was_proposed_stays_as_it_was(proposed, column):
    with pytest.raises(IntegrityError, match="cannot change"), transaction.atomic():
        Approval.objects.update(**{column: "another"})


def test_a_proposal_is_never_deleted(proposed):
    with pytest.raises(ProgrammingError, match="Cannot delete"), transaction.atomic():
        proposed.delete()


def test_what_was_decided_stays_decided(proposed, ada):
    approvals.withdraw(approval=proposed, by=ada, now=LATER)
    with pytest.raises(IntegrityError, match="cannot change"), transaction.atomic():
        Approval.objects.update(state="proposed", decided_at=None)


def test_the_digest_covers_what_only_the_version_itself_says(draft):
    before = approvals.digest_of(draft)
    PlanVersion.objects.update(effective_at=LATER)
    draft.refresh_from_db()
    assert approvals.digest_of(draft) != before
