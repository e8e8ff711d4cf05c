"""Invoices with their lines and formulas."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import action

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
    actions_detail = ("see_credit", "see_void", "see_write_off")

    # Named by methods: a permission named by its code would be looked up while the database may still be empty.
    def has_credit_permission(self, request: HttpRequest, _object_id: object = None) -> bool:
        """Whether one may write credit notes."""
        return request.user.has_perm("billing.add_creditnote")

    def has_end_permission(self, request: HttpRequest, _object_id: object = None) -> bool:
        """Whether one may void invoices and write them off."""
        return request.user.has_perm("billing.change_invoice")

    @action(description="Credit", permissions=["credit"])  # type: ignore[untyped-decorator]  # unfold ships no types
    def see_credit(self, _request: HttpRequest, object_id: int) -> HttpResponse:
        """Lead to where a credit note is written."""
        return redirect("admin:billing_creditnote_lower", object_id)

    @action(description="Void", permissions=["end"])  # type: ignore[untyped-decorator]  # unfold ships no types
    def see_void(self, _request: HttpRequest, object_id: int) -> HttpResponse:
        """Lead to where the reason is asked for."""
        return redirect("admin:billing_creditnote_void_invoice", object_id)

    @action(description="Write off", permissions=["end"])  # type: ignore[untyped-decorator]  # unfold ships no types
    def see_write_off(self, _request: HttpRequest, object_id: int) -> HttpResponse:
        """Lead to where the reason is asked for."""
        return redirect("admin:billing_creditnote_write_off", object_id)
