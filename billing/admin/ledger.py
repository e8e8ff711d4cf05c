"""The ledger's transactions with their entries."""

from django.contrib import admin

from billing.admin.reading import ReadingAdmin, ReadingInline
from billing.models import LedgerEntry, LedgerTransaction


class LedgerEntryInline(ReadingInline):
    """The entries of a transaction; debit positive, credit negative."""

    model = LedgerEntry
    fields = ("account", "customer", "amount", "currency")
    ordering = ("pk",)


@admin.register(LedgerTransaction)
class LedgerTransactionAdmin(ReadingAdmin):
    """What was booked; append-only."""

    list_display = ("key", "description", "booked_at")
    search_fields = ("key", "description")
    list_filter = ("booked_at",)
    inlines = (LedgerEntryInline,)
