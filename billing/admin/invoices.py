"""Invoices with their lines and formulas."""

from django.contrib import admin
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from billing.admin.reading import ReadingAdmin, ReadingInline
from billing.models import Invoice, InvoiceLine


class InvoiceLineInline(ReadingInline):
    """The lines of an invoice, each with how it came about."""

    model = InvoiceLine
    fk_name = "invoice"
    fields = ("position", "description", "meter", "quantity", "unit", "amount", "formula")
    readonly_fields = ("formula",)
    ordering = ("position",)

    @admin.display(description="formula")
    def formula(self, line: InvoiceLine) -> SafeString:
        """Show the rows of the formula, one below the other."""
        return format_html_join("", "<div>{} at {} = {} ({})</div>", (_row(row) for row in line.detail))


def _row(row: dict[str, str]) -> tuple[str, str, str, str]:
    return row["quantity"], row["unit_price"] or "-", row["amount"] or "-", row["text"]


@admin.register(Invoice)
class InvoiceAdmin(ReadingAdmin):
    """What was issued; it never changes."""

    list_display = ("number", "customer", "status", "total", "currency", "issued_at", "due_at", "paid_at")
    list_filter = ("status", "currency", "issued_at")
    list_select_related = ("customer",)
    search_fields = ("number", "customer__key", "customer__name")
    inlines = (InvoiceLineInline,)
