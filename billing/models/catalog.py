"""What is on offer: plans, their frozen versions, and the rate cards that make a version."""

import pgtrigger
from django.db import models


class Plan(models.Model):
    """A named offer; what it costs is in its versions."""

    key = models.SlugField(max_length=64, unique=True)
    name = models.CharField(max_length=100)
    description = models.TextField(blank=True)

    def __str__(self) -> str:
        return f"{self.name} ({self.key})"


class VersionStatus(models.TextChoices):
    """Life of a plan version; it only moves forward."""

    DRAFT = "draft"
    PUBLISHED = "published"
    ARCHIVED = "archived"


class Interval(models.TextChoices):
    """How long a full billing period is."""

    MONTH = "month"


class PlanVersion(models.Model):
    """The content of a plan from some day on; frozen when it is published."""

    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    status = models.CharField(max_length=10, choices=VersionStatus.choices, default=VersionStatus.DRAFT)
    currency = models.CharField(max_length=3)
    interval = models.CharField(max_length=8, choices=Interval.choices, default=Interval.MONTH)
    created_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["plan", "number"], name="plan_version_numbered_once"),
            models.CheckConstraint(condition=models.Q(status__in=VersionStatus.values), name="plan_version_status"),
            models.CheckConstraint(condition=models.Q(interval__in=Interval.values), name="plan_version_interval"),
            models.CheckConstraint(
                condition=models.Q(status=VersionStatus.DRAFT) | models.Q(published_at__isnull=False),
                name="plan_version_published_at",
            ),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="frozen_when_published",
                operation=pgtrigger.Update | pgtrigger.Delete,
                when=pgtrigger.Before,
                condition=pgtrigger.Q(old__status__in=["published", "archived"]),
                func="""
                    IF TG_OP = 'UPDATE' AND NEW.status = 'archived'
                       AND to_jsonb(NEW) - 'status' = to_jsonb(OLD) - 'status' THEN
                        RETURN NEW;
                    END IF;
                    RAISE EXCEPTION 'plan version % is published and cannot change', OLD.id
                        USING ERRCODE = 'integrity_constraint_violation';
                """,
            )
        ]

    def __str__(self) -> str:
        return f"{self.plan_id} v{self.number} ({self.status})"


class UnitRounding(models.TextChoices):
    """What becomes of a fraction of a unit after conversion."""

    NONE = "none"
    UP = "up"
    HALF_UP = "half_up"
    DOWN = "down"


class RateCard(models.Model):
    """One line of a plan version: what is charged, in which unit, what is included, at which price.

    `meter` is empty for a fixed fee (its quantity is 1). `price` is the text form of billing.rating.prices.
    """

    version = models.ForeignKey(PlanVersion, on_delete=models.PROTECT, related_name="rate_cards")
    position = models.PositiveIntegerField()
    key = models.SlugField(max_length=64)
    name = models.CharField(max_length=120, help_text="As printed on the invoice line.")
    meter = models.SlugField(max_length=64, blank=True)
    tax_category = models.SlugField(max_length=32, blank=True, help_text="Chooses among the rates of a jurisdiction.")
    filters = models.JSONField(default=dict, blank=True, help_text='Dimension to values, {"hardware_class": ["cpu"]}.')
    unit = models.CharField(max_length=40, help_text="Name of one unit after conversion, in the singular.")
    divide_by = models.DecimalField(max_digits=24, decimal_places=9, default=1)
    per_period = models.BooleanField(
        default=False, help_text="Divide by the seconds of the full period: seat-seconds become seats."
    )
    rounding = models.CharField(max_length=8, choices=UnitRounding.choices, default=UnitRounding.NONE)
    allowance = models.DecimalField(max_digits=24, decimal_places=9, default=0, help_text="Units included.")
    price = models.JSONField()
    prorated = models.BooleanField(default=True, help_text="A fixed fee follows the elapsed fraction of the period.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["version", "key"], name="rate_card_key_once"),
            models.UniqueConstraint(fields=["version", "position"], name="rate_card_position_once"),
            models.CheckConstraint(condition=models.Q(divide_by__gt=0), name="rate_card_divide_by_positive"),
            models.CheckConstraint(condition=models.Q(allowance__gte=0), name="rate_card_allowance_not_negative"),
            models.CheckConstraint(condition=models.Q(rounding__in=UnitRounding.values), name="rate_card_rounding"),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="frozen_with_its_version",
                operation=pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete,
                when=pgtrigger.Before,
                declare=[("touched", "record")],
                # Old and new version, so that no card can be moved off a published one; locked against its publication.
                func="""
                    FOR touched IN SELECT id, status FROM billing_planversion
                                   WHERE id IN (OLD.version_id, NEW.version_id) FOR SHARE LOOP
                        IF touched.status <> 'draft' THEN
                            RAISE EXCEPTION 'version % is %, its rate cards cannot change', touched.id, touched.status
                                USING ERRCODE = 'integrity_constraint_violation';
                        END IF;
                    END LOOP;
                    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
                """,
            )
        ]

    def __str__(self) -> str:
        return f"{self.key} of version {self.version_id}"
