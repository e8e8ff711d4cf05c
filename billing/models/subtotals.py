"""Sub-totals: what of an invoice's lines falls to each agent or project; made with the draft, frozen at issue."""

import pgtrigger
from django.db import models

from billing.models.invoices import InvoiceLine


class LineShare(models.Model):
    """What of a line falls to one agent or project; the shares of a line sum to its amount, by a deferred trigger.

    An empty `key` is what falls to none: usage that named no agent, or a fee that no usage decides.
    """

    line = models.ForeignKey(InvoiceLine, on_delete=models.CASCADE, related_name="shares")
    key = models.CharField(max_length=128, blank=True)
    label = models.CharField(max_length=200)
    quantity = models.DecimalField(max_digits=38, decimal_places=12, help_text="As the meter measured it.")
    amount = models.DecimalField(max_digits=20, decimal_places=4)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["line", "key"], name="line_share_once_a_key")]
        triggers = [
            pgtrigger.Trigger(
                name="frozen_with_its_invoice",
                operation=pgtrigger.Update | pgtrigger.Delete | pgtrigger.Insert,
                when=pgtrigger.Before,
                declare=[("touched", "record")],
                func="""
                    SELECT i.number, i.status INTO touched FROM billing_invoice i
                    JOIN billing_invoiceline l ON l.invoice_id = i.id
                    WHERE l.id = CASE WHEN TG_OP = 'INSERT' THEN NEW.line_id ELSE OLD.line_id END FOR SHARE OF i;
                    IF touched.status <> 'draft' OR TG_OP = 'UPDATE' THEN
                        RAISE EXCEPTION 'the shares of invoice % cannot change', touched.number
                            USING ERRCODE = 'integrity_constraint_violation';
                    END IF;
                    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
                """,
            ),
            pgtrigger.Trigger(
                name="sum_to_their_line",
                operation=pgtrigger.Insert | pgtrigger.Delete,
                when=pgtrigger.After,
                timing=pgtrigger.Deferred,
                declare=[("owner", "bigint")],
                func="""
                    owner := CASE WHEN TG_OP = 'DELETE' THEN OLD.line_id ELSE NEW.line_id END;
                    IF EXISTS (
                        SELECT 1 FROM billing_invoiceline l JOIN billing_lineshare s ON s.line_id = l.id
                        WHERE l.id = owner GROUP BY l.id, l.amount HAVING sum(s.amount) <> l.amount
                    ) THEN
                        RAISE EXCEPTION 'the shares of line % do not sum to its amount', owner
                            USING ERRCODE = 'integrity_constraint_violation';
                    END IF;
                    RETURN NULL;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key or 'none'} of line {self.line_id}"
