"""Invoices: drafted, then frozen with a gapless number; the database refuses to change what was issued."""

from decimal import Decimal

import pgtrigger
from django.db import models

from agents.models import Customer
from billing.models.catalog import PlanVersion, RateCard
from billing.models.subscriptions import BillingPeriod, SubscriptionChange

# Columns that may still move after finalization; everything else of an issued invoice is frozen.
MOVING = ["status", "paid_at", "voided_at", "released_at"]
# Of the invoices of a period and moment, the one that counts: neither void nor part of one that is.
LIVE = ~models.Q(status="void") & models.Q(released_at__isnull=True)


class InvoiceStatus(models.TextChoices):
    """Stripe's five; see FORWARD in the trigger for the moves that exist."""

    DRAFT = "draft"
    OPEN = "open"
    PAID = "paid"
    VOID = "void"
    UNCOLLECTIBLE = "uncollectible"


class InvoiceSequence(models.Model):
    """The next number of a series; the row is locked while a number is taken, so that numbers have no gaps."""

    prefix = models.CharField(max_length=16, unique=True)
    next_number = models.PositiveBigIntegerField(default=1)

    def __str__(self) -> str:
        return f"{self.prefix}: {self.next_number} is next"


class Moment(models.TextChoices):
    """When in a period an invoice is made: before it for what is due in advance, or after it for everything else.

    A late one has what usage of an ended subscription came to that arrived after its last period was invoiced. A merged
    one has been made of several drafts, each of which keeps its own period and moment.
    """

    OPENING = "opening"
    CLOSING = "closing"
    LATE = "late"
    MERGED = "merged"


class Invoice(models.Model):
    """The claim for one billing period; both parties' texts are copied in, because it must never change.

    `version` and `change` are what the subscription stood on at the end of what is invoiced; with `fold` they let it be
    rated again for ever. A draft that was merged stays as it was drafted: it is the evidence behind the lines that the
    issued invoice has of it.
    """

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="invoices")
    period = models.ForeignKey(BillingPeriod, on_delete=models.PROTECT, related_name="invoices")
    moment = models.CharField(max_length=8, choices=Moment.choices, default=Moment.CLOSING)
    version = models.ForeignKey(PlanVersion, on_delete=models.PROTECT, related_name="invoices")
    change = models.ForeignKey(
        SubscriptionChange,
        on_delete=models.PROTECT,
        related_name="invoices",
        db_index=False,  # changes are never deleted, and nobody asks for the invoices of one
    )
    status = models.CharField(max_length=16, choices=InvoiceStatus.choices, default=InvoiceStatus.DRAFT)
    number = models.CharField(max_length=40, unique=True, null=True, blank=True)
    currency = models.CharField(max_length=3)
    subtotal = models.DecimalField(max_digits=20, decimal_places=4, help_text="The sum of the lines before tax.")
    tax = models.DecimalField(max_digits=20, decimal_places=4, default=0, help_text="The sum of the tax lines.")
    carried = models.DecimalField(
        max_digits=20, decimal_places=4, default=0, help_text="What lines below nothing left over, given as credit."
    )
    total = models.DecimalField(max_digits=20, decimal_places=4, help_text="Subtotal, tax and what is carried.")
    prepaid = models.DecimalField(
        max_digits=20, decimal_places=4, default=0, help_text="What the customer's prepaid credit paid of it at issue."
    )
    fold = models.PositiveBigIntegerField(help_text="The usage fold that the quantities were read at.")
    tax_rule = models.JSONField(
        null=True,
        blank=True,
        help_text="How the customer was taxed when it was drafted, or that no tax concerned it; null where not kept.",
    )
    seller = models.TextField()
    buyer = models.TextField()
    purchase_order = models.CharField(max_length=64, blank=True, help_text="The customer's, as it was at issue.")
    merged_into = models.ForeignKey("self", on_delete=models.PROTECT, related_name="parts", null=True, blank=True)
    incomplete = models.TextField(
        blank=True, db_default="", help_text="Which devices had not delivered all when their time was over, and why."
    )
    created_at = models.DateTimeField()
    review_until = models.DateTimeField(
        null=True, blank=True, help_text="Until when a draft waits for a person; then it is issued."
    )
    issued_at = models.DateTimeField(null=True, blank=True)
    due_at = models.DateTimeField(null=True, blank=True)
    paid_at = models.DateTimeField(null=True, blank=True)
    voided_at = models.DateTimeField(null=True, blank=True)
    released_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When the draft's period was opened again, the invoice it was merged into being void.",
    )
    digest = models.CharField(max_length=64, blank=True, help_text="SHA-256 over the invoice's canonical content.")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(status__in=InvoiceStatus.values), name="invoice_status"),
            models.UniqueConstraint(
                fields=["period", "moment"], condition=LIVE & ~models.Q(moment="late"), name="invoice_once_a_moment"
            ),
            models.UniqueConstraint(
                fields=["period", "fold"], condition=LIVE & models.Q(moment="late"), name="invoice_late_once_a_fold"
            ),
            models.CheckConstraint(condition=models.Q(moment__in=Moment.values), name="invoice_moment"),
            models.CheckConstraint(condition=models.Q(total__gte=0), name="invoice_total_not_negative"),
            models.CheckConstraint(
                condition=models.Q(total=models.F("subtotal") + models.F("tax") + models.F("carried")),
                name="invoice_total_adds_up",
            ),
            models.CheckConstraint(
                condition=models.Q(carried=0) | models.Q(carried__gt=0, total=0), name="invoice_carried_when_negative"
            ),
            models.CheckConstraint(
                condition=models.Q(prepaid__gte=0, prepaid__lte=models.F("total")), name="invoice_prepaid_within_total"
            ),
            models.CheckConstraint(
                condition=models.Q(status="draft", number__isnull=True, issued_at__isnull=True)
                | (~models.Q(status="draft") & models.Q(number__isnull=False, issued_at__isnull=False)),
                name="invoice_numbered_when_issued",
            ),
            models.CheckConstraint(
                condition=~models.Q(status="paid") | models.Q(paid_at__isnull=False), name="invoice_paid_at"
            ),
            models.CheckConstraint(
                condition=models.Q(merged_into__isnull=True) | models.Q(status="draft"), name="invoice_merged_as_draft"
            ),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="frozen_when_issued",
                operation=pgtrigger.Update | pgtrigger.Delete,
                when=pgtrigger.Before,
                condition=~pgtrigger.Q(old__status="draft") | pgtrigger.Q(old__merged_into__isnull=False),
                func=f"""
                    IF TG_OP = 'UPDATE'
                       AND to_jsonb(NEW) - ARRAY{MOVING} = to_jsonb(OLD) - ARRAY{MOVING}
                       AND (OLD.status = NEW.status
                            OR (OLD.status, NEW.status) IN (('open', 'paid'), ('open', 'void'),
                                ('open', 'uncollectible'), ('uncollectible', 'paid'), ('uncollectible', 'void')))
                    THEN
                        RETURN NEW;
                    END IF;
                    RAISE EXCEPTION 'invoice % is issued and cannot change', OLD.number
                        USING ERRCODE = 'integrity_constraint_violation';
                """,
            )
        ]

    def __str__(self) -> str:
        return f"{self.number or 'draft'} of customer {self.customer_id}"

    @property
    def due(self) -> Decimal:
        """What is to be paid: the total less what prepaid credit paid at issue."""
        return self.total - self.prepaid


class LineKind(models.TextChoices):
    """Why a line is there; the same as in billing.rating.lines."""

    CHARGE = "charge"
    ZERO_RATED = "zero_rated"
    DISCOUNT = "discount"
    MAXIMUM = "maximum"
    MINIMUM = "minimum"
    CREDIT = "credit"
    LATE = "late"
    TAX = "tax"


class InvoiceLine(models.Model):
    """One line: a quantity, the amount it came to, and how (`detail` holds the rows of its formula).

    `rate_card` is empty for what concerns the whole invoice. `source` is the key of the discount, grant, zero-rating or
    tax rate that the line comes from. `terms` is a digest of the rate card as it was charged, so that a later change of
    what was paid in advance is seen; `adjusts` is the line of which unused time is given back. `part` is the draft that
    a line of a merged invoice was taken from.
    """

    # Each index is paid for on every line; that of invoice and position finds the lines of an invoice, too.
    invoice = models.ForeignKey(Invoice, on_delete=models.CASCADE, related_name="lines", db_index=False)
    part = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="+", null=True, blank=True, db_index=False)
    position = models.PositiveIntegerField()
    kind = models.CharField(max_length=10, choices=LineKind.choices, default=LineKind.CHARGE)
    rate_card = models.ForeignKey(RateCard, on_delete=models.PROTECT, related_name="lines", null=True, blank=True)
    source = models.CharField(max_length=120, blank=True)
    terms = models.CharField(max_length=64, blank=True)
    adjusts = models.ForeignKey(
        "self", on_delete=models.PROTECT, related_name="adjustments", null=True, blank=True, db_index=False
    )
    description = models.CharField(max_length=250)
    meter = models.SlugField(max_length=64, blank=True, db_index=False)
    quantity = models.DecimalField(max_digits=38, decimal_places=12)
    unit = models.CharField(max_length=40)
    amount = models.DecimalField(max_digits=20, decimal_places=4)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    detail = models.JSONField(help_text="Rows of the formula: text, quantity, unit price and amount, as texts.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["invoice", "position"], name="invoice_line_position_once"),
            models.CheckConstraint(condition=models.Q(kind__in=LineKind.values), name="invoice_line_kind"),
        ]
        indexes = [
            models.Index(
                fields=["adjusts"], condition=models.Q(adjusts__isnull=False), name="invoice_line_adjustments"
            ),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="frozen_with_its_invoice",
                operation=pgtrigger.Update | pgtrigger.Delete,
                when=pgtrigger.Before,
                declare=[("touched", "record")],
                # Old and new invoice, so that no line can be moved off an issued one; locked against its finalization.
                func="""
                    FOR touched IN SELECT id, status, merged_into_id FROM billing_invoice
                                   WHERE id IN (OLD.invoice_id, NEW.invoice_id) FOR SHARE LOOP
                        IF touched.status <> 'draft' OR touched.merged_into_id IS NOT NULL THEN
                            RAISE EXCEPTION 'invoice % is %, its lines cannot change', touched.id, touched.status
                                USING ERRCODE = 'integrity_constraint_violation';
                        END IF;
                    END LOOP;
                    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
                """,
            ),
            pgtrigger.Trigger(
                name="added_to_drafts",
                operation=pgtrigger.Insert,
                when=pgtrigger.After,
                level=pgtrigger.Statement,  # once for all lines that come together: row by row is half of a bulk write
                referencing=pgtrigger.Referencing(new="added"),  # type: ignore[no-untyped-call]  # pgtrigger leaves it untyped
                declare=[("touched", "record")],
                # One invoice after the other, so that the plan, which a connection keeps, never reads them all; OFFSET
                # so that a draft is locked before its status is looked at, and waits for whoever is issuing it.
                func="""
                    SELECT held.id, held.status INTO touched
                    FROM (SELECT DISTINCT invoice_id FROM added) one, LATERAL (
                        SELECT id, status, merged_into_id FROM billing_invoice WHERE id = one.invoice_id
                        FOR SHARE OFFSET 0
                    ) held WHERE held.status <> 'draft' OR held.merged_into_id IS NOT NULL LIMIT 1;
                    IF FOUND THEN
                        RAISE EXCEPTION 'invoice % is %, its lines cannot change', touched.id, touched.status
                            USING ERRCODE = 'integrity_constraint_violation';
                    END IF;
                    RETURN NULL;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"line {self.position} of invoice {self.invoice_id}"
