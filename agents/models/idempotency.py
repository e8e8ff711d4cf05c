"""Requests that carried an Idempotency-Key, and what they were answered."""

from django.db import models

from agents.models.customers import Customer


class IdempotentRequest(models.Model):
    """One request that was done, with its answer, which a repetition gets; kept for `idempotency.KEPT_FOR`."""

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="idempotent_requests")
    key = models.CharField(max_length=255)
    method = models.CharField(max_length=8)
    path = models.TextField()
    digest = models.BinaryField(max_length=32, help_text="SHA-256 of the body.")
    status = models.PositiveSmallIntegerField()
    headers = models.JSONField()
    answer = models.BinaryField()
    done_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["customer", "method", "path", "key"], name="idempotency_key_once")
        ]
        indexes = [models.Index(fields=["done_at"], name="idempotent_request_age")]

    def __str__(self) -> str:
        return f"{self.method} {self.path} with {self.key} of customer {self.customer_id}"
