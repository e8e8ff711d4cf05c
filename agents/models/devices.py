"""Devices that sign their usage, and the agents that run on them."""

from django.db import models

from agents.models.customers import Customer


class Device(models.Model):
    """One installation of the runtime: its public key, and how far its chain of events was received."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="devices")
    key = models.SlugField(max_length=64)
    public_key = models.BinaryField(max_length=32, help_text="Ed25519, 32 bytes raw.")
    epoch = models.PositiveIntegerField(default=1, help_text="Raised by re-enrolment, when a chain cannot go on.")
    last_sequence = models.PositiveBigIntegerField(default=0)
    head = models.BinaryField(max_length=32, help_text="Hash of the chain at last_sequence.")
    enrolled_at = models.DateTimeField()
    last_seen_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["customer", "key"], name="device_key_once_a_customer")]

    def __str__(self) -> str:
        return f"{self.key} of customer {self.customer_id}"


class Agent(models.Model):
    """A deployed program that uses the runtime on a customer's behalf; made known by its first event."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="agents")
    key = models.CharField(max_length=128)
    name = models.CharField(max_length=200)
    first_seen_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["customer", "key"], name="agent_key_once_a_customer")]

    def __str__(self) -> str:
        return f"{self.name} of customer {self.customer_id}"
