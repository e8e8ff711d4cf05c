"""Approvals: nobody publishes a price alone; what was proposed is held by its digest, who agreed by a constraint."""

import pgtrigger
from django.conf import settings
from django.db import models

from billing.models.catalog import PlanVersion


class ApprovalState(models.TextChoices):
    """What became of a proposal; only the first can still change."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class Approval(models.Model):
    """A draft proposed for publication by one person, and the decision of another one.

    `digest` is that of the draft's content when it was proposed: an edit after that must be proposed anew.
    """

    version = models.ForeignKey(PlanVersion, on_delete=models.PROTECT, related_name="approvals")
    digest = models.CharField(max_length=64, help_text="SHA-256 of the content that was proposed.")
    proposer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    reason = models.TextField()
    proposed_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=ApprovalState.choices, default=ApprovalState.PROPOSED)
    approver = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", null=True, blank=True
    )
    answer = models.TextField(blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["version"], condition=models.Q(state="proposed"), name="approval_one_open_a_version"
            ),
            models.CheckConstraint(
                condition=models.Q(approver__isnull=True) | ~models.Q(approver=models.F("proposer")),
                name="approval_by_a_second_person",
            ),
            models.CheckConstraint(
                condition=models.Q(state="proposed", approver__isnull=True, decided_at__isnull=True)
                | models.Q(state="withdrawn", approver__isnull=True, decided_at__isnull=False)
                | models.Q(state__in=["approved", "refused"], approver__isnull=False, decided_at__isnull=False),
                name="approval_decided",
            ),
            models.CheckConstraint(condition=~models.Q(reason=""), name="approval_reason"),
        ]
        triggers = [
            pgtrigger.Protect(name="kept", operation=pgtrigger.Delete),
            pgtrigger.Trigger(
                name="decided_once",
                operation=pgtrigger.Update,
                when=pgtrigger.Before,
                declare=[("moving", "text[]")],
                func="""
                    moving := ARRAY['state', 'approver_id', 'answer', 'decided_at'];
                    IF OLD.state = 'proposed' AND to_jsonb(NEW) - moving = to_jsonb(OLD) - moving THEN
                        RETURN NEW;
                    END IF;
                    RAISE EXCEPTION 'approval % is %, it cannot change', OLD.id, OLD.state
                        USING ERRCODE = 'integrity_constraint_violation';
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.state} publication of version {self.version_id}"
