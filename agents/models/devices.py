"""Devices that sign their usage, what was found wrong with their chains, and the agents that run on them."""

from django.db import models
from django.db.models import Q

from agents.models.customers import Customer


class Device(models.Model):
    """One installation of the runtime: its public key, and how far its chain of events was received."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="devices")
    key = models.SlugField(max_length=64)
    public_key = models.BinaryField(max_length=32, help_text="Ed25519, 32 bytes raw.")
    epoch = models.PositiveIntegerField(default=1, help_text="Raised by re-enrolment, when a chain cannot go on.")
    last_sequence = models.PositiveBigIntegerField(default=0)
    head = models.BinaryField(max_length=32, help_text="Hash of the chain at last_sequence.")
    gap_until = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="The last sequence of this epoch that is known to be missing."
    )
    newest_event_at = models.DateTimeField(
        null=True, blank=True, help_text="The latest time of an event in what was received, by the device's clock."
    )
    enrolled_at = models.DateTimeField()
    last_seen_at = models.DateTimeField(null=True, blank=True)
    quarantined_at = models.DateTimeField(null=True, blank=True, help_text="Since when a fork keeps it from sending.")
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["customer", "key"], name="device_key_once_a_customer")]

    def __str__(self) -> str:
        return f"{self.key} of customer {self.customer_id}"


class FindingKind(models.TextChoices):
    """What can be found wrong with what a device sends."""

    GAP = "gap"
    FORK = "fork"
    REPLAY = "replay"
    CLOCK = "clock"


class DeviceFinding(models.Model):
    """Something wrong in a device's chain, kept although the request that showed it was refused.

    `first` and `last` are the sequences it is about, both inclusive; a finding that is sent again while it is open adds
    no row.
    """

    device = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="findings")
    kind = models.CharField(max_length=8, choices=FindingKind.choices)
    epoch = models.PositiveBigIntegerField()
    first = models.PositiveBigIntegerField()
    last = models.PositiveBigIntegerField()
    seen_at = models.DateTimeField(help_text="When it was first seen, by our clock.")
    detail = models.TextField()
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.CharField(max_length=200, blank=True, help_text="Who closed it; `chain`: what lacked arrived.")
    resolution = models.TextField(blank=True, help_text="Why it could be closed.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["device", "kind", "epoch", "first"],
                condition=Q(resolved_at__isnull=True),
                name="device_finding_open_once",
            ),
            models.UniqueConstraint(
                fields=["device", "epoch"],
                condition=Q(resolved_at__isnull=True, kind="clock"),
                name="device_clock_finding_open_once",
            ),
            models.CheckConstraint(condition=Q(kind__in=FindingKind.values), name="device_finding_kind_known"),
            models.CheckConstraint(condition=Q(last__gte=models.F("first")), name="device_finding_in_order"),
            models.CheckConstraint(
                condition=Q(resolved_at__isnull=True, resolved_by="")
                | (Q(resolved_at__isnull=False) & ~Q(resolved_by="")),
                name="device_finding_resolved_by_someone",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of device {self.device_id} at {self.epoch}/{self.first}"


class Agent(models.Model):
    """A deployed program that uses the runtime on a customer's behalf; made known by its first event."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="agents")
    key = models.CharField(max_length=128)
    name = models.CharField(max_length=200)
    project = models.CharField(max_length=128, blank=True, help_text="What invoices may show sub-totals by.")
    first_seen_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["customer", "key"], name="agent_key_once_a_customer")]

    def __str__(self) -> str:
        return f"{self.name} of customer {self.customer_id}"
