"""What is on offer: plans, their frozen versions, and the rate cards that make a version."""

import pgtrigger
from django.contrib.postgres.fields import ArrayField
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
    """How long a full period is."""

    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


class PlanVersion(models.Model):
    """The content of a plan from some day on; frozen when it is published.

    The JSON columns hold parts of the plan's document as billing.offers reads them; amounts are by currency.
    `minimums` and `maximums` are for one invoiced cycle.
    """

    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    status = models.CharField(max_length=10, choices=VersionStatus.choices, default=VersionStatus.DRAFT)
    currencies = ArrayField(models.CharField(max_length=3), help_text="A price in each is on every rate card.")
    interval = models.CharField(max_length=8, choices=Interval.choices, default=Interval.MONTH)
    phases = models.JSONField(default=list, blank=True, help_text="In order from a customer's start on the version.")
    pools = models.JSONField(default=list, blank=True, help_text="Allowances that rate cards share.")
    discounts = models.JSONField(default=list, blank=True, help_text="In the order in which they are taken off.")
    minimums = models.JSONField(default=dict, blank=True)
    maximums = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True, blank=True)
    effective_at = models.DateTimeField(null=True, blank=True, help_text="Nobody is put on it for a time before this.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["plan", "number"], name="plan_version_numbered_once"),
            models.CheckConstraint(condition=models.Q(status__in=VersionStatus.values), name="plan_version_status"),
            models.CheckConstraint(condition=models.Q(interval__in=Interval.values), name="plan_version_interval"),
            models.CheckConstraint(condition=models.Q(currencies__len__gt=0), name="plan_version_has_a_currency"),
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


class Billed(models.TextChoices):
    """Whether a card is charged before or after its period."""

    ARREARS = "arrears"
    ADVANCE = "advance"


class RateCard(models.Model):
    """One line of a plan version: what is charged, in which unit, what is included, at which price.

    `meter` is empty for a fixed fee (its quantity is 1). `prices` holds a document of billing.rating.prices for each
    currency of the version; `interval` is how long the card's own full period is.
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
    rollover = models.DecimalField(
        max_digits=24, decimal_places=9, default=0, help_text="Unused units that the next period may inherit."
    )
    prices = models.JSONField()
    minimums = models.JSONField(default=dict, blank=True, help_text="For the card's full period, by currency.")
    maximums = models.JSONField(default=dict, blank=True, help_text="For the card's full period, by currency.")
    zero_rates = models.JSONField(default=list, blank=True, help_text="Usage that costs nothing, by name.")
    prorated = models.BooleanField(default=True, help_text="A fixed fee follows the elapsed fraction of the period.")
    billed = models.CharField(max_length=8, choices=Billed.choices, default=Billed.ARREARS)
    interval = models.CharField(max_length=8, choices=Interval.choices, default=Interval.MONTH)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["version", "key"], name="rate_card_key_once"),
            models.UniqueConstraint(fields=["version", "position"], name="rate_card_position_once"),
            models.CheckConstraint(condition=models.Q(divide_by__gt=0), name="rate_card_divide_by_positive"),
            models.CheckConstraint(condition=models.Q(allowance__gte=0), name="rate_card_allowance_not_negative"),
            models.CheckConstraint(condition=models.Q(rollover__gte=0), name="rate_card_rollover_not_negative"),
            models.CheckConstraint(condition=models.Q(rounding__in=UnitRounding.values), name="rate_card_rounding"),
            models.CheckConstraint(condition=models.Q(interval__in=Interval.values), name="rate_card_interval"),
            models.CheckConstraint(
                condition=models.Q(billed="arrears") | models.Q(billed="advance", meter=""), name="rate_card_billed"
            ),
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
