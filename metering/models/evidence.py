"""What was received: batches, events, the keys that count each once, and the evidence of what was refused."""

from typing import Any

import pgtrigger
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Expression, Func, Q
from django.db.models.lookups import Exact
from typing_extensions import override

from metering.event import Reason, Verdict


class Environment(models.TextChoices):
    """Where the usage happened; only production usage is ever billed."""

    PRODUCTION = "production"
    TEST = "test"
    SHADOW = "shadow"  # what another feed bills: recorded to be compared with it (agents.feeds); no sender can name it


class RefusalVerdict(models.TextChoices):
    """The verdicts that refuse."""

    CONFLICT = Verdict.CONFLICT.value
    REJECTED = Verdict.REJECTED.value


class RefusalReason(models.TextChoices):
    """The reasons, as the column holds them."""

    MALFORMED = Reason.MALFORMED.value
    FUTURE_TIME = Reason.FUTURE_TIME.value
    BAD_ENVIRONMENT = Reason.BAD_ENVIRONMENT.value
    BAD_CHARACTER = Reason.BAD_CHARACTER.value
    BAD_IDENTITY = Reason.BAD_IDENTITY.value
    BAD_VALUE = Reason.BAD_VALUE.value
    BAD_DIMENSION = Reason.BAD_DIMENSION.value
    ID_REUSED = Reason.ID_REUSED.value
    UNIT_COUNTED = Reason.UNIT_COUNTED.value


class Batch(models.Model):
    """One accepted request: who sent it, when, and from a device the signature over its place in the chain."""

    customer_id = models.BigIntegerField()
    received_at = models.DateTimeField()
    digest = models.BinaryField(help_text="SHA-256 of the body.")
    event_count = models.PositiveIntegerField(help_text="How many of its events were accepted.")
    api_key_id = models.BigIntegerField(null=True)
    device_id = models.BigIntegerField(null=True)
    epoch = models.BigIntegerField(null=True)
    first_sequence = models.BigIntegerField(null=True)
    last_sequence = models.BigIntegerField(null=True)
    signature = models.TextField(blank=True)
    header = models.BinaryField(null=True, help_text="The signed bytes.")
    fold = models.ForeignKey(
        "metering.Fold",
        null=True,
        on_delete=models.PROTECT,
        db_index=False,  # see batch_of_fold: a batch that waits needs no place in it
        help_text="The fold that counted it; null while it waits.",
    )

    class Meta:
        verbose_name_plural = "batches"
        indexes = [
            models.Index(name="batch_waiting", fields=["id"], condition=Q(fold__isnull=True)),
            models.Index(name="batch_of_customer", fields=["customer_id", "fold"], condition=Q(fold__isnull=False)),
            models.Index(name="batch_of_fold", fields=["fold"], condition=Q(fold__isnull=False)),
            models.Index(
                name="batch_of_device",
                fields=["device_id", "epoch", "first_sequence"],
                condition=Q(device_id__isnull=False),
            ),
        ]
        constraints = [
            models.CheckConstraint(name="batch_accepted_something", condition=Q(event_count__gt=0)),
            models.CheckConstraint(
                name="batch_sequences_in_order",
                condition=Q(first_sequence__isnull=True) | Q(last_sequence__gte=models.F("first_sequence")),
            ),
        ]
        triggers = [
            pgtrigger.Protect(name="keep", operation=pgtrigger.Delete),
            pgtrigger.Protect(
                name="content_stands", operation=pgtrigger.Update, condition=pgtrigger.AnyChange(exclude=["fold"])
            ),
            pgtrigger.Protect(
                name="folded_once", operation=pgtrigger.Update, condition=pgtrigger.Q(old__fold__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"batch {self.pk}"


class Seal(models.Model):
    """What it takes beside the stored events to check a device's signature again: for ever, and by anybody.

    A device may get another key later, and of an event not every byte is stored.
    """

    batch = models.OneToOneField(Batch, on_delete=models.PROTECT, primary_key=True)
    public_key = models.BinaryField(help_text="The 32 bytes of Ed25519 that the signature was checked with.")
    rest = models.BinaryField(
        help_text="Deflated JSON: for each sequence of the batch what its signed event held beyond what is stored of it"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="seal_key_is_whole",
                condition=Q(Exact(Func("public_key", function="octet_length", output_field=models.IntegerField()), 32)),
            )
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"seal of batch {self.batch_id}"


class EventKey(models.Model):
    """That an event (customer, source, id) has been counted, and the unit that it counts. Kept for ever.

    Both keys are unique in one row, so an event takes both or none.
    """

    pk = models.CompositePrimaryKey("customer_id", "key")
    customer_id = models.BigIntegerField()
    key = models.UUIDField()
    unit = models.UUIDField(null=True, help_text="The key of the billable unit, where the event's type has one.")
    batch_id = models.BigIntegerField()
    digest = models.BigIntegerField(
        help_text="64 bits of the SHA-256 of the canonical content: they tell a repetition from other content."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(name="unit_once", fields=["customer_id", "unit"], condition=Q(unit__isnull=False)),
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.customer_id}/{self.key}"


class Origin(models.Model):
    """What many events share: customer, type, source, subject, environment; an event names it by a small number.

    Two requests that meet an origin for the first time, both at once, may each add it: neither waits for the other, and
    that it has two numbers then changes nothing.
    """

    pk = models.CompositePrimaryKey("customer_id", "id")
    customer_id = models.BigIntegerField()
    id = models.IntegerField(help_text="Given by the database.")
    key = models.UUIDField(help_text="A hash of the four texts, which may be too long for an index.")
    type = models.TextField()
    source = models.TextField()
    subject = models.TextField()
    environment = models.CharField(max_length=10, choices=Environment.choices)

    class Meta:
        indexes = [models.Index(name="origin_by_key", fields=["customer_id", "key"])]
        constraints = [
            models.CheckConstraint(name="origin_environment_is_known", condition=Q(environment__in=Environment.values)),
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.type} of {self.source}"


class StoredJsonField(models.JSONField):
    """JSON as the text that came (PostgreSQL's json): a fifth smaller than jsonb here, and cheaper to take in."""

    @override
    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        """Return the name of the column's type."""
        return "json"

    @override
    def from_db_value(self, value: Any, expression: Expression, connection: BaseDatabaseWrapper) -> Any:
        """Return the value: unlike jsonb, the driver has decoded it already."""
        return value


class StoredEvent(models.Model):
    """One accepted usage event as it lies in its monthly partition (by `received_at`); read it as `Event`.

    It has no index but two block ranges: every other costs more per event than the event's key. What repeats the key
    is not stored: a batch and a place in it name the event, and the key's row names the batch.
    """

    pk = models.CompositePrimaryKey("batch_id", "place")
    batch_id = models.BigIntegerField()
    received_at = models.DateTimeField()
    time = models.DateTimeField()
    customer_id = models.IntegerField()
    origin_id = models.IntegerField()
    place = models.SmallIntegerField()
    event_id = models.BinaryField(help_text="The 16 bytes of a UUID, or the text; one of 16 bytes ends with a NUL.")
    data = StoredJsonField()

    class Meta:
        indexes = [
            # Batches are numbered in the order of their inserts, so a fold finds theirs by ranges of pages.
            BrinIndex(name="event_by_batch", fields=["batch_id"], pages_per_range=16, autosummarize=True),
            BrinIndex(name="event_by_time", fields=["time"], pages_per_range=16, autosummarize=True),
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"event {self.place} of batch {self.batch_id}"


class Event(models.Model):
    """One accepted usage event, as received: the view that reads a `StoredEvent` with the texts of its origin.

    `time` is when it was used, `received_at` when it was committed here.
    """

    id = models.BigIntegerField(primary_key=True, help_text="Batch and place in one number.")
    customer_id = models.BigIntegerField()
    batch = models.ForeignKey(Batch, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    place = models.SmallIntegerField(help_text="The place in the request, from 0.")
    received_at = models.DateTimeField()
    time = models.DateTimeField()
    type = models.TextField()
    source = models.TextField()
    subject = models.TextField()
    event_id = models.TextField()
    environment = models.CharField(max_length=10, choices=Environment.choices)
    data = StoredJsonField()
    sequence = models.BigIntegerField(null=True, help_text="The place in the chain of the device that signed it.")

    class Meta:
        managed = False
        db_table = "metering_event"

    def __str__(self) -> str:
        return f"{self.source} {self.event_id}"


class Refusal(models.Model):
    """Evidence of an event that was not counted. A repetition of the same refusal adds no row."""

    customer_id = models.BigIntegerField()
    received_at = models.DateTimeField()
    source = models.TextField(null=True)  # noqa: DJ001 - null says that it could not be read
    event_id = models.TextField(null=True)  # noqa: DJ001
    verdict = models.CharField(max_length=10, choices=RefusalVerdict.choices)
    reason = models.CharField(max_length=20, choices=RefusalReason.choices)
    pointer = models.TextField(blank=True)
    detail = models.TextField()
    body = models.TextField(help_text="What was sent, cut to a bounded length.")
    digest = models.BinaryField(help_text="SHA-256 of all that was sent.")

    class Meta:
        constraints = [
            models.UniqueConstraint(name="refusal_once", fields=["customer_id", "digest", "reason"]),
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.verdict}: {self.detail}"
