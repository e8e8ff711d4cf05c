"""The ledger: double entry, append-only, every transaction sums to zero; a balance is always the sum of entries."""

import pgtrigger
from django.db import models

from agents.models import Customer
from billing.models.credits import CreditGrant


class Account(models.TextChoices):
    """The pots that money is in; debits are positive, credits negative.

    `deferred` is revenue billed for time to come. `credits` is what customers may still draw, by grant; `issued` is its
    counterpart where no money stands behind it: promotions, and units of a virtual currency. `forfeited` is prepaid
    credit that expired: income, but no revenue. `write_off` is what is owed and given up, `refunds` what credit notes
    promised to pay back and what is on its way, `outside` what they settled past us.
    """

    RECEIVABLE = "receivable"
    REVENUE = "revenue"
    DEFERRED = "deferred"
    CASH = "cash"
    TAX = "tax"
    CREDITS = "credits"
    ISSUED = "issued"
    FORFEITED = "forfeited"
    WRITE_OFF = "write_off"
    REFUNDS = "refunds"
    OUTSIDE = "outside"


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
    """One signed amount on one account; debit positive, credit negative.

    `currency` is an ISO 4217 code, or the lower-case name of a virtual currency. An entry of the account `credits`
    names its grant. What is left of a grant is never below nothing nor above what was granted: the trigger locks the
    grant's row, so that two who draw at once are added up one after the other.
    """

    transaction = models.ForeignKey(LedgerTransaction, on_delete=models.PROTECT, related_name="entries")
    account = models.CharField(max_length=16, choices=Account.choices)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="ledger_entries")
    currency = models.CharField(max_length=16)
    amount = models.DecimalField(max_digits=32, decimal_places=12)
    grant = models.ForeignKey(CreditGrant, on_delete=models.PROTECT, related_name="entries", null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(account="credits", grant__isnull=False)
                | (~models.Q(account="credits") & models.Q(grant__isnull=True)),
                name="ledger_entry_credits_name_their_grant",
            ),
            models.CheckConstraint(condition=models.Q(account__in=Account.values), name="ledger_entry_account"),
            models.CheckConstraint(condition=~models.Q(amount=0), name="ledger_entry_not_zero"),
        ]
        indexes = [
            models.Index(fields=["customer", "account", "currency"], name="ledger_entry_balance"),
            models.Index(fields=["grant"], condition=models.Q(grant__isnull=False), name="ledger_entry_of_grant"),
        ]
        triggers = [
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete),
            pgtrigger.Trigger(
                name="within_its_grant",
                operation=pgtrigger.Insert,
                when=pgtrigger.Before,
                declare=[("granted", "record"), ("remainder", "numeric")],
                # Two statements: the second sees what was committed while the first waited for the lock.
                func="""
                    IF NEW.grant_id IS NULL THEN
                        RETURN NEW;
                    END IF;
                    SELECT * INTO granted FROM billing_creditgrant WHERE id = NEW.grant_id FOR NO KEY UPDATE;
                    SELECT - NEW.amount - coalesce(sum(amount), 0) INTO remainder
                      FROM billing_ledgerentry WHERE grant_id = NEW.grant_id;
                    IF remainder NOT BETWEEN 0 AND granted.amount
                       OR NEW.currency <> granted.currency OR NEW.customer_id <> granted.customer_id THEN
                        RAISE EXCEPTION 'credit grant % cannot be left with % %', granted.key, remainder, NEW.currency
                            USING ERRCODE = 'integrity_constraint_violation';
                    END IF;
                    RETURN NEW;
                """,
            ),
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
