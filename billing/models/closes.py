"""Closing in the large: runs over many periods, what people did to a period, and late usage once it is settled."""

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models

from billing.models.invoices import Invoice, InvoiceLine
from billing.models.subscriptions import BillingPeriod


class CloseRun(models.Model):
    """One search for periods that are due as of `as_of`, cut into chunks that any number of workers take up.

    The counts are kept when it is finished; until then they are the sums of its chunks.
    """

    as_of = models.DateTimeField(help_text="The time the periods were due at; what is closed is issued then.")
    started_at = models.DateTimeField(help_text="When it was begun, by the clock.")
    finished_at = models.DateTimeField(null=True, blank=True)
    found = models.PositiveIntegerField()
    closed = models.PositiveIntegerField(default=0)
    parked = models.PositiveIntegerField(default=0)
    waiting = models.PositiveIntegerField(default=0)

    class Meta:
        indexes = [
            models.Index(
                fields=["started_at"], condition=models.Q(finished_at__isnull=True), name="close_run_unfinished"
            )
        ]

    def __str__(self) -> str:
        return f"close run {self.pk} as of {self.as_of:%Y-%m-%d %H:%M}"


class CloseChunk(models.Model):
    """A part of a run that one worker does at a time; done once, however often it is taken up.

    `closed` counts periods of which everything due is invoiced, `waiting` those still open when it was done.
    """

    run = models.ForeignKey(CloseRun, on_delete=models.CASCADE, related_name="chunks")
    number = models.PositiveIntegerField(help_text="Counted from 1 within the run.")
    periods = ArrayField(models.BigIntegerField())
    sent_at = models.DateTimeField(null=True, blank=True, help_text="When a worker was last asked to do it.")
    done_at = models.DateTimeField(null=True, blank=True)
    closed = models.PositiveIntegerField(default=0)
    parked = models.PositiveIntegerField(default=0)
    waiting = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "number"], name="close_chunk_numbered_once")]
        indexes = [models.Index(fields=["run"], condition=models.Q(done_at__isnull=True), name="close_chunk_to_do")]

    def __str__(self) -> str:
        return f"chunk {self.number} of run {self.run_id}"


class InterventionKind(models.TextChoices):
    """What a person did to the close of a period."""

    RETRY = "retry"
    RELEASE = "release"
    ISSUE = "issue"
    DISCARD = "discard"


class Intervention(models.Model):
    """That a person let a period be closed again or beyond its bounds, issued a draft early, or discarded one."""

    period = models.ForeignKey(BillingPeriod, on_delete=models.PROTECT, related_name="interventions")
    kind = models.CharField(max_length=8, choices=InterventionKind.choices)
    actor = models.CharField(max_length=150)
    reason = models.TextField()
    detail = models.TextField(blank=True, help_text="What it was about: why it was parked, or what the draft came to.")
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(kind__in=InterventionKind.values), name="intervention_kind"),
            models.CheckConstraint(
                condition=~models.Q(actor="") & ~models.Q(reason=""), name="intervention_by_someone_for_a_reason"
            ),
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.kind} of period {self.period_id} by {self.actor}"


class LateDifference(models.Model):
    """What usage that came after the close of `period` made of one of its lines at `fold`, and where that went.

    `key` names the line of the period, whether the first invoice had it or not. It was settled once, by constraint: on
    `invoice`, or by a credit note on `note_of` that was drafted for approval.
    """

    period = models.ForeignKey(BillingPeriod, on_delete=models.PROTECT, related_name="late_differences")
    key = models.CharField(max_length=64)
    fold = models.PositiveBigIntegerField(help_text="The usage fold that the period was rated again at.")
    quantity = models.DecimalField(max_digits=38, decimal_places=12)
    amount = models.DecimalField(max_digits=20, decimal_places=4)
    line = models.ForeignKey(
        InvoiceLine, on_delete=models.PROTECT, related_name="late_differences", null=True, blank=True
    )
    invoice = models.ForeignKey(
        Invoice, on_delete=models.PROTECT, related_name="late_differences", null=True, blank=True
    )
    note_of = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="late_credits", null=True, blank=True)
    settled_with = models.ForeignKey(
        BillingPeriod, on_delete=models.PROTECT, related_name="+", help_text="The period that was closed when it was."
    )
    settled_at = models.DateTimeField()
    released_at = models.DateTimeField(
        null=True, blank=True, help_text="The invoice it was settled on is void: it counts as not settled."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["period", "key", "fold"],
                condition=models.Q(released_at__isnull=True),
                name="late_difference_settled_once",
            ),
            models.CheckConstraint(
                condition=models.Q(invoice__isnull=True) ^ models.Q(note_of__isnull=True),
                name="late_difference_on_an_invoice_or_a_note",
            ),
        ]
        triggers = [
            pgtrigger.Protect(name="keep", operation=pgtrigger.Delete),
            pgtrigger.Protect(
                name="content_stands",
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange(exclude=["released_at"]),
            ),
        ]

    def __str__(self) -> str:
        return f"late difference of period {self.period_id} at fold {self.fold}"
