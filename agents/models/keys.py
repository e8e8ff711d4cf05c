"""API keys: stored as a hash, scoped, shown once."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from agents.models.customers import Customer


class Scope(models.TextChoices):
    """What a key may be used for."""

    EVENTS_WRITE = "events:write"
    USAGE_READ = "usage:read"
    METERS_WRITE = "meters:write"
    INVOICES_READ = "invoices:read"
    BILLING_WRITE = "billing:write"
    WEBHOOKS_WRITE = "webhooks:write"
    PAYMENTS_WRITE = "payments:write"


class Environment(models.TextChoices):
    """Whether usage that a key sends is billable."""

    LIVE = "live"
    TEST = "test"


class ApiKey(models.Model):
    """A secret that names a customer and what may be done for it; the secret itself is never stored."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="api_keys")
    name = models.CharField(max_length=100)
    digest = models.BinaryField(max_length=32, unique=True, help_text="SHA-256 of the secret.")
    hint = models.CharField(max_length=24, help_text="Prefix and last four characters, to recognise the key by.")
    environment = models.CharField(max_length=4, choices=Environment.choices)
    scopes = ArrayField(models.CharField(max_length=32, choices=Scope.choices))
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(environment__in=Environment.values), name="api_key_environment")
        ]

    def __str__(self) -> str:
        return f"{self.hint} of customer {self.customer_id}"
