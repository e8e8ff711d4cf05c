"""What was taken back: events that no longer count, by whom and why."""

import pgtrigger
from django.db import models
from django.db.models import Q

from metering.models.evidence import Batch
from metering.models.windows import Fold


class Void(models.Model):
    """The statement that an accepted event shall not count. The event itself stays, and its keys stay taken."""

    customer_id = models.BigIntegerField()
    source = models.TextField()
    event_id = models.TextField()
    batch = models.ForeignKey(Batch, on_delete=models.PROTECT, db_index=False)
    place = models.SmallIntegerField(help_text="The place of the event in its batch.")
    actor = models.TextField(help_text="Who said so, such as key:7 or user:ada.")
    reason = models.TextField()
    voided_at = models.DateTimeField()
    fold = models.ForeignKey(
        Fold, null=True, on_delete=models.PROTECT, help_text="The fold that took it back; null while it waits."
    )

    class Meta:
        indexes = [models.Index(name="void_waiting", fields=["id"], condition=Q(fold__isnull=True))]
        constraints = [
            models.UniqueConstraint(name="void_once", fields=["customer_id", "batch", "place"]),
            models.CheckConstraint(name="void_is_explained", condition=~Q(actor="") & ~Q(reason="")),
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
        return f"{self.source} {self.event_id}"
