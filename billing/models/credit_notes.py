"""Credit notes and refunds: what an issued invoice is lowered by, and the money that went back for it."""

import pgtrigger
from django.db import models

from agents.models import Customer
from billing.models.credits import CreditGrant
from billing.models.invoices import Invoice, InvoiceLine
from billing.models.payments import Payment


class CreditNoteStatus(models.TextChoices):
    """A draft can be checked, an issued note has a number and is booked; void is the end of either."""

    DRAFT = "draft"
    ISSUED = "issued"
    VOID = "void"


class Reason(models.TextChoices):
    """Why an invoice is lowered, in Stripe's words (stripe.md C8)."""

    DUPLICATE = "duplicate"
    FRAUDULENT = "fraudulent"
    ORDER_CHANGE = "order_change"
    PRODUCT_UNSATISFACTORY = "product_unsatisfactory"


# What a draft is about is fixed from the start; it gets the rest when it is issued, or when it is voided.
_OF_ISSUE = ["number", "seller", "buyer", "issued_by", "issued_at", "applied", "refund", "credit", "outside"]
_OF_VOID = ["status", "voided_by", "void_reason", "voided_at"]


class CreditNote(models.Model):
    """What an issued invoice is lowered by, line for line; parties are copied, and what was issued never changes.

    Of the total, `applied` lowers what is still due, `refund` goes back by the way it came, `credit` becomes prepaid
    credit (`grant`), `outside` was settled past us. `key` names the cause, so that nothing is credited twice. A note
    that needs approval is issued by somebody else than its drafter.
    """

    key = models.CharField(max_length=120, unique=True)
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="credit_notes")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="credit_notes")
    status = models.CharField(max_length=6, choices=CreditNoteStatus.choices, default=CreditNoteStatus.DRAFT)
    number = models.CharField(max_length=40, unique=True, null=True, blank=True)
    reason = models.CharField(max_length=24, choices=Reason.choices)
    explanation = models.TextField(help_text="Printed on the credit note.")
    currency = models.CharField(max_length=3)
    subtotal = models.DecimalField(max_digits=20, decimal_places=4)
    tax = models.DecimalField(max_digits=20, decimal_places=4)
    total = models.DecimalField(max_digits=20, decimal_places=4)
    applied = models.DecimalField(max_digits=20, decimal_places=4, default=0)
    refund = models.DecimalField(max_digits=20, decimal_places=4, default=0)
    credit = models.DecimalField(max_digits=20, decimal_places=4, default=0)
    outside = models.DecimalField(max_digits=20, decimal_places=4, default=0)
    grant = models.OneToOneField(
        CreditGrant, on_delete=models.PROTECT, related_name="credit_note", null=True, blank=True
    )
    needs_approval = models.BooleanField(help_text="Above the operator's limit: a second person issues it.")
    seller = models.TextField()
    buyer = models.TextField()
    drafted_by = models.CharField(max_length=150)
    drafted_at = models.DateTimeField()
    issued_by = models.CharField(max_length=150, blank=True)
    issued_at = models.DateTimeField(null=True, blank=True)
    voided_by = models.CharField(max_length=150, blank=True)
    void_reason = models.TextField(blank=True)
    voided_at = models.DateTimeField(null=True, blank=True)
    digest = models.CharField(max_length=64, blank=True, help_text="SHA-256 over the note's canonical content.")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(status__in=CreditNoteStatus.values), name="credit_note_status"),
            models.CheckConstraint(condition=models.Q(reason__in=Reason.values), name="credit_note_reason"),
            models.CheckConstraint(
                condition=~models.Q(explanation="") & ~models.Q(drafted_by=""), name="credit_note_says_why_and_who"
            ),
            models.CheckConstraint(
                condition=models.Q(total__gt=0, total=models.F("subtotal") + models.F("tax")),
                name="credit_note_total_adds_up",
            ),
            models.CheckConstraint(
                condition=models.Q(applied__gte=0, refund__gte=0, credit__gte=0, outside__gte=0)
                & (
                    models.Q(issued_at__isnull=True, applied=0, refund=0, credit=0, outside=0)
                    | models.Q(
                        total=models.F("applied") + models.F("refund") + models.F("credit") + models.F("outside")
                    )
                ),
                name="credit_note_allocated_whole",
            ),
            models.CheckConstraint(
                condition=models.Q(grant__isnull=True, credit=0) | models.Q(grant__isnull=False, credit__gt=0),
                name="credit_note_credit_is_granted",
            ),
            models.CheckConstraint(
                condition=models.Q(status="draft", number__isnull=True)
                | models.Q(status="issued", number__isnull=False)
                | models.Q(status="void"),
                name="credit_note_numbered_when_issued",
            ),
            models.CheckConstraint(
                condition=models.Q(number__isnull=True, issued_at__isnull=True, issued_by="")
                | (models.Q(number__isnull=False, issued_at__isnull=False) & ~models.Q(issued_by="")),
                name="credit_note_issued_by_somebody",
            ),
            models.CheckConstraint(
                condition=models.Q(status="void", voided_at__isnull=False)
                | (~models.Q(status="void") & models.Q(voided_at__isnull=True)),
                name="credit_note_voided_at",
            ),
            models.CheckConstraint(
                condition=models.Q(needs_approval=False) | ~models.Q(issued_by=models.F("drafted_by")),
                name="credit_note_by_a_second_person",
            ),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="frozen",
                operation=pgtrigger.Update | pgtrigger.Delete,
                when=pgtrigger.Before,
                declare=[("moving", "text[]")],
                func=f"""
                    moving := CASE WHEN TG_OP = 'DELETE' OR OLD.status = 'void' THEN ARRAY[]::text[]
                                   WHEN OLD.status = 'draft' THEN ARRAY{[*_OF_ISSUE, "grant_id", "digest", *_OF_VOID]}
                                   ELSE ARRAY{_OF_VOID} END;
                    IF TG_OP = 'UPDATE' AND cardinality(moving) > 0
                       AND to_jsonb(NEW) - moving = to_jsonb(OLD) - moving
                       AND (OLD.status, NEW.status) IN (('draft', 'issued'), ('draft', 'void'), ('issued', 'void'))
                       AND NEW.total = (SELECT sum(amount) FROM billing_creditnoteline WHERE note_id = NEW.id) THEN
                        RETURN NEW;
                    END IF;
                    RAISE EXCEPTION 'credit note % is %, it cannot change so', OLD.id, OLD.status
                        USING ERRCODE = 'integrity_constraint_violation';
                """,  # noqa: S608 - the columns named above
            )
        ]

    def __str__(self) -> str:
        return f"{self.number or 'draft'} on invoice {self.invoice_id}"


class CreditNoteLine(models.Model):
    """One mirrored line: by how much a line of the invoice is lowered, with that line's sign; tax lines are among them.

    All notes on an invoice together, drafts included, never lower a line beyond nothing nor the invoice beyond its
    total: the trigger locks the invoice, so that two who write at once are added up one after the other.
    """

    note = models.ForeignKey(CreditNote, on_delete=models.PROTECT, related_name="lines")
    position = models.PositiveIntegerField()
    line = models.ForeignKey(InvoiceLine, on_delete=models.PROTECT, related_name="credit_note_lines")
    description = models.CharField(max_length=250)
    amount = models.DecimalField(max_digits=20, decimal_places=4)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["note", "position"], name="credit_note_line_position_once"),
            models.UniqueConstraint(fields=["note", "line"], name="credit_note_line_once_a_line"),
            models.CheckConstraint(condition=~models.Q(amount=0), name="credit_note_line_not_zero"),
        ]
        triggers = [
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete),
            pgtrigger.Trigger(
                name="within_its_invoice",
                operation=pgtrigger.Insert,
                when=pgtrigger.After,
                declare=[("owner", "record"), ("lowered", "record"), ("by_line", "numeric"), ("by_all", "numeric")],
                # After the whole statement: a discount's negative line counts against the charge it comes with.
                func="""
                    SELECT invoice_id, status INTO owner FROM billing_creditnote WHERE id = NEW.note_id;
                    SELECT id, number, status, total INTO lowered FROM billing_invoice
                     WHERE id = owner.invoice_id FOR NO KEY UPDATE;
                    SELECT coalesce(sum(l.amount), 0),
                           coalesce(sum(l.amount) FILTER (WHERE l.line_id = NEW.line_id), 0)
                      INTO by_all, by_line
                      FROM billing_creditnoteline l JOIN billing_creditnote n ON n.id = l.note_id
                     WHERE n.invoice_id = owner.invoice_id AND n.status <> 'void';
                    IF owner.status <> 'draft' OR lowered.status NOT IN ('open', 'paid', 'uncollectible')
                       OR by_all > lowered.total
                       OR NOT EXISTS (
                           SELECT 1 FROM billing_invoiceline
                            WHERE id = NEW.line_id AND invoice_id = owner.invoice_id
                              AND by_line * sign(amount) BETWEEN 0 AND abs(amount) AND NEW.amount * amount > 0) THEN
                        RAISE EXCEPTION 'credit notes would lower invoice % (%) beyond what it has', lowered.number,
                            lowered.status USING ERRCODE = 'integrity_constraint_violation';
                    END IF;
                    RETURN NULL;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount} off line {self.line_id}"


class RefundStatus(models.TextChoices):
    """A refund waits for the provider, has been made, or has come back."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class Refund(models.Model):
    """Money of one payment that goes back; never more than was paid, by a trigger that locks the payment.

    `reference` is our name of it. Without a note it was made past us, and what it paid is owed again.
    """

    reference = models.CharField(max_length=80, unique=True)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="refunds")
    note = models.ForeignKey(CreditNote, on_delete=models.PROTECT, related_name="refunds", null=True, blank=True)
    amount = models.DecimalField(max_digits=20, decimal_places=4)
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=9, choices=RefundStatus.choices, default=RefundStatus.PENDING)
    stripe_id = models.CharField(max_length=64, unique=True, null=True, blank=True)
    reason = models.TextField(blank=True)
    created_at = models.DateTimeField()
    refunded_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="refund_positive"),
            models.CheckConstraint(
                condition=models.Q(status="pending", refunded_at__isnull=True, failed_at__isnull=True)
                | models.Q(
                    status="succeeded", refunded_at__isnull=False, stripe_id__isnull=False, failed_at__isnull=True
                )
                | models.Q(status="failed", failed_at__isnull=False),
                name="refund_status",
            ),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="forward_only",
                operation=pgtrigger.Update | pgtrigger.Delete,
                when=pgtrigger.Before,
                declare=[("moving", "text[]")],
                func="""
                    moving := ARRAY['status', 'stripe_id', 'refunded_at', 'failed_at', 'reason'];
                    IF TG_OP = 'UPDATE' AND to_jsonb(NEW) - moving = to_jsonb(OLD) - moving
                       AND (OLD.stripe_id IS NULL OR OLD.stripe_id = NEW.stripe_id)
                       AND (OLD.status, NEW.status) IN (
                           ('pending', 'succeeded'), ('pending', 'failed'), ('succeeded', 'failed')) THEN
                        RETURN NEW;
                    END IF;
                    RAISE EXCEPTION 'refund % is %, it cannot change so', OLD.reference, OLD.status
                        USING ERRCODE = 'integrity_constraint_violation';
                """,
            ),
            pgtrigger.Trigger(
                name="within_its_payment",
                operation=pgtrigger.Insert,
                when=pgtrigger.After,
                declare=[("paid", "record"), ("of_payment", "numeric"), ("of_note", "numeric")],
                func="""
                    SELECT * INTO paid FROM billing_payment WHERE id = NEW.payment_id FOR NO KEY UPDATE;
                    SELECT sum(amount) INTO of_payment FROM billing_refund
                     WHERE payment_id = NEW.payment_id AND status <> 'failed';
                    SELECT sum(amount) INTO of_note FROM billing_refund
                     WHERE note_id = NEW.note_id AND status <> 'failed';
                    IF coalesce(of_payment, 0) > paid.amount OR NEW.currency <> paid.currency
                       OR (NEW.note_id IS NOT NULL AND NOT EXISTS (
                           SELECT 1 FROM billing_creditnote
                            WHERE id = NEW.note_id AND invoice_id = paid.invoice_id AND status = 'issued'
                              AND coalesce(of_note, 0) <= refund)) THEN
                        RAISE EXCEPTION 'payment % cannot be refunded % %', paid.stripe_id, NEW.amount, NEW.currency
                            USING ERRCODE = 'integrity_constraint_violation';
                    END IF;
                    RETURN NULL;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reference}: {self.amount} {self.currency}, {self.status}"
