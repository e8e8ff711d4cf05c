"""Deferred revenue: what was billed for time to come, and every step in which it was earned or given back."""

import pgtrigger
from django.db import models

from billing.models.invoices import InvoiceLine


class Deferral(models.Model):
    """A line charged in advance, less what was taken off it: earned day by day over `[starts_at, ends_at)`.

    Days are those of the subscription's zone. What is left is the amount less the sum of its moves. `next_on` is the
    next day to be earned, empty when nothing is left.
    """

    line = models.OneToOneField(InvoiceLine, on_delete=models.PROTECT, related_name="deferral")
    currency = models.CharField(max_length=3)
    amount = models.DecimalField(max_digits=20, decimal_places=4)
    time_zone = models.CharField(max_length=64)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    booked_at = models.DateTimeField()
    next_on = models.DateField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="deferral_positive"),
            models.CheckConstraint(condition=models.Q(ends_at__gt=models.F("starts_at")), name="deferral_bounds"),
        ]
        indexes = [
            models.Index(fields=["next_on"], condition=models.Q(next_on__isnull=False), name="deferral_unearned")
        ]
        triggers = [
            pgtrigger.Trigger(
                name="basis_fixed",
                operation=pgtrigger.Update | pgtrigger.Delete,
                when=pgtrigger.Before,
                func="""
                    IF TG_OP = 'UPDATE' AND to_jsonb(NEW) - 'next_on' = to_jsonb(OLD) - 'next_on' THEN
                        RETURN NEW;
                    END IF;
                    RAISE EXCEPTION 'deferral % is fixed', OLD.id USING ERRCODE = 'integrity_constraint_violation';
                """,
            )
        ]

    def __str__(self) -> str:
        return f"{self.amount} {self.currency} of line {self.line_id}"


class MoveKind(models.TextChoices):
    """Why deferred revenue became less; what was reversed can come back, as a negative move."""

    RECOGNISED = "recognised"
    REVERSED = "reversed"


class DeferralMove(models.Model):
    """One step by which a deferral became less: a day that was earned, once, or what was given back; append-only.

    `booking` is the key of the ledger transaction. The sum of moves is never below nothing nor above the deferral: the
    trigger locks its row.
    """

    deferral = models.ForeignKey(Deferral, on_delete=models.PROTECT, related_name="moves")
    kind = models.CharField(max_length=10, choices=MoveKind.choices)
    day = models.DateField(null=True, blank=True)
    amount = models.DecimalField(max_digits=20, decimal_places=4)
    booking = models.CharField(max_length=120)
    moved_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind="recognised", day__isnull=False, amount__gt=0)
                | (models.Q(kind="reversed", day__isnull=True) & ~models.Q(amount=0)),
                name="deferral_move_kind",
            ),
            models.UniqueConstraint(fields=["deferral", "day"], name="deferral_move_once_a_day"),
            models.UniqueConstraint(fields=["deferral", "booking"], name="deferral_move_once_a_booking"),
        ]
        indexes = [models.Index(fields=["booking"], name="deferral_move_booking")]
        triggers = [
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete),
            pgtrigger.Trigger(
                name="within_its_deferral",
                operation=pgtrigger.Insert,
                when=pgtrigger.After,
                declare=[("deferred", "numeric"), ("moved", "numeric")],
                func="""
                    SELECT amount INTO deferred FROM billing_deferral WHERE id = NEW.deferral_id FOR NO KEY UPDATE;
                    SELECT sum(amount) INTO moved FROM billing_deferralmove WHERE deferral_id = NEW.deferral_id;
                    IF moved NOT BETWEEN 0 AND deferred THEN
                        RAISE EXCEPTION 'deferral % over % cannot be moved by %', NEW.deferral_id, deferred, moved
                            USING ERRCODE = 'integrity_constraint_violation';
                    END IF;
                    RETURN NULL;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount} {self.kind} of deferral {self.deferral_id}"
