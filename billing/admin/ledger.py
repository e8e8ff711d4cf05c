"""The ledger's transactions with their entries."""

from django.contrib import admin

from billing.admin.reading import ReadingAdmin, ReadingInline
from billing.models import LedgerEntry, LedgerTransaction
from billing.rating.numbers import text_of


class LedgerEntryInline(ReadingInline):
    """The entries of a transaction; debit positive, credit negative."""

    model = LedgerEntry
    fields = ("account", "customer", "exact", "currency", "grant")
    readonly_fields = ("exact",)
    ordering = ("pk",)

    @admin.display(description="amount")
    def exact(self, entry: LedgerEntry) -> str:
        """Show an amount without the zeros of its column."""
        return text_of(entry.amount)


@admin.register(LedgerTransaction)
class LedgerTransactionAdmin(ReadingAdmin):
    """What was booked; append-only."""

    list_display = ("key", "description", "booked_at")
    search_fields = ("key", "description")
    list_filter = ("booked_at",)
    inlines = (LedgerEntryInline,)
