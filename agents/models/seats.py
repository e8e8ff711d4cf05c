"""Seats: the right of one person to use, held over time."""

from django.db import models

from agents.models.customers import Customer


class Seat(models.Model):
    """One assigned right to use, from `assigned_at` (inclusive) to `released_at` (exclusive); never edited after."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="seats")
    key = models.SlugField(max_length=64)
    holder = models.CharField(max_length=200, help_text="Who uses it, by a name or number of the customer's choice.")
    assigned_at = models.DateTimeField()
    released_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["customer", "key"], name="seat_key_once_a_customer"),
            models.CheckConstraint(
                condition=models.Q(released_at__isnull=True) | models.Q(released_at__gte=models.F("assigned_at")),
                name="seat_released_after_assigned",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key} of customer {self.customer_id}"
