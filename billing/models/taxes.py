"""Taxes: rates by jurisdiction and category with the time they hold, and who is taxed where."""

import pgtrigger
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import RangeBoundary, RangeOperators
from django.db import models

from agents.models import Customer
from billing.models.subscriptions import TsTzRange


class TaxRate(models.Model):
    """An exclusive tax of a jurisdiction, in force in `[starts_at, ends_at)`; all that apply are added side by side.

    `category` is the tax category of the rate cards that it is for; the empty one is for cards without a rate of
    their own category in that jurisdiction.
    """

    jurisdiction = models.CharField(max_length=16, help_text="ISO 3166, such as DE or US-CA, or finer.")
    category = models.SlugField(max_length=32, blank=True)
    name = models.CharField(max_length=60, help_text="As printed on the invoice: VAT, sales tax.")
    percent = models.DecimalField(max_digits=7, decimal_places=4)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(percent__gte=0, percent__lte=100), name="tax_rate_percent"),
            models.CheckConstraint(
                condition=models.Q(ends_at__isnull=True) | models.Q(ends_at__gt=models.F("starts_at")),
                name="tax_rate_bounds",
            ),
            ExclusionConstraint(
                name="tax_rate_no_overlap",
                expressions=[
                    (TsTzRange("starts_at", "ends_at", RangeBoundary()), RangeOperators.OVERLAPS),
                    ("jurisdiction", RangeOperators.EQUAL),
                    ("category", RangeOperators.EQUAL),
                    ("name", RangeOperators.EQUAL),
                ],
            ),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="only_ends",
                operation=pgtrigger.Update,
                when=pgtrigger.Before,
                condition=pgtrigger.AnyChange("jurisdiction", "category", "name", "percent", "starts_at", "created_at"),
                func="RAISE EXCEPTION 'tax rate % is fixed: end it and add another', OLD.id"
                " USING ERRCODE = 'integrity_constraint_violation';",
            ),
            pgtrigger.Protect(name="never_deleted", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        category = f" {self.category}" if self.category else ""
        return f"{self.name} {self.jurisdiction}{category} {self.percent.normalize():f} %"


class TaxAssignment(models.Model):
    """A customer is taxed in a jurisdiction in `[starts_at, ends_at)`; without one, no tax is charged."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="tax_assignments")
    jurisdiction = models.CharField(max_length=16)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(ends_at__isnull=True) | models.Q(ends_at__gt=models.F("starts_at")),
                name="tax_assignment_bounds",
            ),
            ExclusionConstraint(
                name="tax_assignment_no_overlap",
                expressions=[
                    (TsTzRange("starts_at", "ends_at", RangeBoundary()), RangeOperators.OVERLAPS),
                    ("customer", RangeOperators.EQUAL),
                    ("jurisdiction", RangeOperators.EQUAL),
                ],
            ),
        ]

    def __str__(self) -> str:
        return f"customer {self.customer_id} in {self.jurisdiction}"
