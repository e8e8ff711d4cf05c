"""The ledger: double entry, append-only, every transaction sums to zero; a balance is always the sum of entries."""

import pgtrigger
from django.db import models

from agents.models import Customer


class Account(models.TextChoices):
    """The pots that money is in; debits are positive, credits negative."""

    RECEIVABLE = "receivable"
    REVENUE = "revenue"
    CASH = "cash"


class LedgerTransaction(models.Model):
    """A balanced set of entries, booked at once; `key` names its cause, so that nothing is booked twice."""

    key = models.CharField(max_length=120, unique=True)
    description = models.CharField(max_length=250)
    booked_at = models.DateTimeField()

    class Meta:
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return self.key


class LedgerEntry(models.Model):
    """One signed amount on one account; debit positive, credit negative."""

    transaction = models.ForeignKey(LedgerTransaction, on_delete=models.PROTECT, related_name="entries")
    account = models.CharField(max_length=16, choices=Account.choices)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="ledger_entries")
    currency = models.CharField(max_length=3)
    amount = models.DecimalField(max_digits=20, decimal_places=4)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(account__in=Account.values), name="ledger_entry_account"),
            models.CheckConstraint(condition=~models.Q(amount=0), name="ledger_entry_not_zero"),
        ]
        indexes = [models.Index(fields=["customer", "account", "currency"], name="ledger_entry_balance")]
        triggers = [
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete),
            pgtrigger.Trigger(
                name="balanced",
                operation=pgtrigger.Insert,
                when=pgtrigger.After,
                timing=pgtrigger.Deferred,
                func="""
                    IF EXISTS (SELECT 1 FROM billing_ledgerentry WHERE transaction_id = NEW.transaction_id
                               GROUP BY currency HAVING sum(amount) <> 0) THEN
                        RAISE EXCEPTION 'ledger transaction % does not balance', NEW.transaction_id
                            USING ERRCODE = 'integrity_constraint_violation';
                    END IF;
                    RETURN NULL;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account} {self.amount} {self.currency}"
