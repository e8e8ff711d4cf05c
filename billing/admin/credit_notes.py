"""Credit notes and refunds in the admin: seen, issued and voided here; what is issued never changes."""

from datetime import UTC, datetime

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from typing_extensions import override
from unfold.decorators import action

from billing import credit_notes
from billing.admin.crediting import lowering, reasons
from billing.admin.reading import ReadingAdmin, ReadingInline
from billing.errors import BillingError
from billing.models import CreditNote, CreditNoteLine, Deferral, DeferralMove, Refund


class CreditNoteLineInline(ReadingInline):
    """The lines of a note, each with the invoice line that it lowers."""

    model = CreditNoteLine
    fields = ("position", "description", "line", "amount")
    ordering = ("position",)


class RefundInline(ReadingInline):
    """What goes back for a note."""

    model = Refund
    fields = ("reference", "payment", "amount", "status", "stripe_id", "refunded_at", "reason")
    ordering = ("pk",)


@admin.register(CreditNote)
class CreditNoteAdmin(ReadingAdmin):
    """Notes and their drafts; a draft above the limit is issued by somebody else than its drafter."""

    list_display = ("number", "invoice", "customer", "status", "reason", "total", "currency", "drafted_by", "issued_by")
    list_filter = ("status", "reason", "needs_approval", "currency")
    list_select_related = ("invoice", "customer")
    search_fields = ("number", "invoice__number", "customer__key", "customer__name")
    inlines = (CreditNoteLineInline, RefundInline)
    actions_detail = ("see_issue", "see_void")

    @override
    def get_urls(self) -> list[URLPattern]:
        """Add the pages on which notes are written, issued and voided, and invoices voided and written off."""
        pages = (
            ("lower/<int:pk>/", lowering.lower, "lower"),
            ("<int:pk>/issue/", lowering.issue, "issue"),
            ("<int:pk>/void/", reasons.void_note, "void"),
            ("invoice/<int:pk>/void/", reasons.void_invoice, "void_invoice"),
            ("invoice/<int:pk>/write-off/", reasons.write_off, "write_off"),
        )
        own = [
            path(route, self.admin_site.admin_view(view), name=f"billing_creditnote_{name}")
            for route, view, name in pages
        ]
        return [*own, *super().get_urls()]

    # Named by methods: a permission named by its code would be looked up while the database may still be empty.
    def has_decide_permission(self, request: HttpRequest, _object_id: object = None) -> bool:
        """Whether one may issue and void notes."""
        return request.user.has_perm("billing.change_creditnote")

    @action(description="Issue", permissions=["decide"])  # type: ignore[untyped-decorator]  # unfold ships no types
    def see_issue(self, _request: HttpRequest, object_id: int) -> HttpResponse:
        """Lead to what the note would change."""
        return redirect("admin:billing_creditnote_issue", object_id)

    @action(description="Void", permissions=["decide"])  # type: ignore[untyped-decorator]  # unfold ships no types
    def see_void(self, _request: HttpRequest, object_id: int) -> HttpResponse:
        """Lead to where the reason is asked for."""
        return redirect("admin:billing_creditnote_void", object_id)


@admin.register(Refund)
class RefundAdmin(ReadingAdmin):
    """Money that goes back, and how far it is."""

    list_display = ("reference", "payment", "note", "amount", "currency", "status", "created_at", "refunded_at")
    list_filter = ("status", "currency")
    list_select_related = ("payment", "note")
    search_fields = ("reference", "stripe_id", "payment__stripe_id", "note__number")
    actions = ("again",)

    @admin.action(description="Send again what failed", permissions=["again"])
    def again(self, request: HttpRequest, chosen: QuerySet[Refund]) -> None:
        """Write what failed refunds still owe anew; those past any note are left out."""
        for refund in chosen.exclude(note=None):
            assert refund.note is not None  # noqa: S101 - those without one are left out
            try:
                made = credit_notes.request_refunds(note=refund.note, now=datetime.now(UTC))
            except BillingError as error:
                messages.warning(request, str(error))
            else:
                messages.info(request, f"{refund.note.number}: {len(made)} refunds written.")

    def has_again_permission(self, request: HttpRequest) -> bool:
        """Whether the user may change credit notes at all."""
        return request.user.has_perm("billing.change_creditnote")


class DeferralMoveInline(ReadingInline):
    """Every day that was earned, and what was given back."""

    model = DeferralMove
    fields = ("kind", "day", "amount", "booking", "moved_at")
    ordering = ("pk",)


@admin.register(Deferral)
class DeferralAdmin(ReadingAdmin):
    """What was billed ahead, and how far it is earned."""

    list_display = ("line", "amount", "currency", "starts_at", "ends_at", "next_on")
    list_filter = ("currency",)
    list_select_related = ("line",)
    search_fields = ("line__invoice__number",)
    inlines = (DeferralMoveInline,)
