"""Approvals: a draft is proposed by one person and published by another, exactly as it was proposed."""

import hashlib
import json
from datetime import datetime

from django.contrib.auth.models import User
from django.db import IntegrityError, models, transaction

from billing import catalog
from billing.errors import ApprovalError
from billing.models import Approval, PlanVersion
from billing.models.approvals import ApprovalState
from billing.models.catalog import VersionStatus


@transaction.atomic
def propose(*, version: PlanVersion, proposer: User, reason: str, now: datetime) -> Approval:
    """Ask that a draft be published, and say why; what it holds now is what can be approved.

    Raises ApprovalError for an empty reason, a version that is no draft, and one that is proposed already.
    """
    if not reason.strip():
        raise ApprovalError("Say why the version should be published.")
    held = _hold(version)
    facts = {"digest": digest_of(held), "proposer": proposer, "reason": reason.strip(), "proposed_at": now}
    try:
        with transaction.atomic():
            return Approval.objects.create(version=held, **facts)
    except IntegrityError as error:
        raise ApprovalError(f"{held} is proposed already; decide on that first.") from error


@transaction.atomic
def approve(*, approval: Approval, approver: User, answer: str, now: datetime) -> PlanVersion:
    """Publish what was proposed; the one who approves is not the one who proposed, by constraint, too.

    Raises ApprovalError where it was decided before, by the proposer, or where the draft was edited since.
    """
    if approver.pk == approval.proposer_id:
        raise ApprovalError("A second person approves; you proposed this version yourself.")
    version = _hold(approval.version)
    if digest_of(version) != approval.digest:
        raise ApprovalError(f"{version} was edited after it was proposed; withdraw the proposal and propose it anew.")
    _decide(approval, state=ApprovalState.APPROVED, approver=approver, answer=answer, decided_at=now)
    return catalog.publish(version=version, now=now)


@transaction.atomic
def refuse(*, approval: Approval, approver: User, answer: str, now: datetime) -> Approval:
    """Turn a proposal down and say why; the draft can be edited and proposed again.

    Raises ApprovalError for an empty answer, by the proposer, or where it was decided before.
    """
    if approver.pk == approval.proposer_id:
        raise ApprovalError("A second person decides; you can withdraw what you proposed.")
    if not answer.strip():
        raise ApprovalError("Say why the version should not be published.")
    return _decide(approval, state=ApprovalState.REFUSED, approver=approver, answer=answer.strip(), decided_at=now)


@transaction.atomic
def withdraw(*, approval: Approval, by: User, now: datetime) -> Approval:
    """Take a proposal back. Raises ApprovalError by anybody but the proposer, or where it was decided before."""
    if by.pk != approval.proposer_id:
        raise ApprovalError("Only the one who proposed a version can withdraw it.")
    return _decide(approval, state=ApprovalState.WITHDRAWN, decided_at=now)


def pending(*, version: PlanVersion) -> Approval | None:
    """Return the proposal of a version that waits for a decision."""
    return Approval.objects.select_related("proposer").filter(version=version, state=ApprovalState.PROPOSED).first()


def digest_of(version: PlanVersion) -> str:
    """Return a digest over everything that a draft says, whichever columns that takes."""
    content = [_facts(version), *(_facts(card) for card in version.rate_cards.order_by("position"))]
    return hashlib.sha256(json.dumps(content, default=str, sort_keys=True).encode()).hexdigest()


def _facts(row: models.Model) -> dict[str, object]:
    aside = {"id", "status", "created_at", "published_at"}
    return {
        field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields if field.name not in aside
    }


def _hold(version: PlanVersion) -> PlanVersion:
    """Return the version locked as a draft, so that no edit comes between reading and deciding."""
    held = PlanVersion.objects.select_for_update().get(pk=version.pk)
    if held.status != VersionStatus.DRAFT:
        raise ApprovalError(f"{held} is no draft.")
    return held


def _decide(approval: Approval, **facts: object) -> Approval:
    """Move a proposal once, whoever else tries."""
    if Approval.objects.filter(pk=approval.pk, state=ApprovalState.PROPOSED).update(**facts) != 1:
        raise ApprovalError("The proposal was decided before.")
    approval.refresh_from_db()
    return approval
