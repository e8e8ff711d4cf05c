"""Plans, their versions and rate cards, with prices as tables that a person can read."""

from collections.abc import Iterable

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from typing_extensions import override
from unfold.decorators import action

from billing.admin.price_tables import price_tables, table
from billing.admin.pricing import drafting, publishing, rehearsing, reviewing
from billing.admin.pricing.pages import address
from billing.admin.reading import ReadingAdmin, ReadingInline
from billing.models import Plan, PlanVersion, RateCard


class RateCardInline(ReadingInline):
    """The lines of a version, in order."""

    model = RateCard
    fields = ("position", "key", "name", "meter", "filters", "unit", "allowance", "rounding", "readable_price")
    readonly_fields = ("readable_price",)
    ordering = ("position",)

    @admin.display(description="price")
    def readable_price(self, card: RateCard) -> SafeString:
        """Show the price as a table."""
        return price_tables(card)


class PlanVersionInline(ReadingInline):
    """The versions of a plan; each leads to its rate cards."""

    model = PlanVersion
    fields = ("number", "status", "currencies", "interval", "cards", "created_at", "published_at")
    readonly_fields = ("cards",)
    ordering = ("number",)
    show_change_link = True

    @admin.display(description="rate cards")
    def cards(self, version: PlanVersion) -> SafeString:
        """Show what the version charges for."""
        rows = ((card.name, card.meter, price_tables(card)) for card in _cards_of(version))
        return table(("line", "meter", "price"), rows)


def _cards_of(version: PlanVersion) -> Iterable[RateCard]:
    return version.rate_cards.order_by("position")


@admin.register(Plan)
class PlanAdmin(ReadingAdmin):
    """What is on offer; `manage.py import_plan` adds to it."""

    list_display = ("key", "name", "description")
    search_fields = ("key", "name")
    ordering = ("key",)
    inlines = (PlanVersionInline,)


@admin.register(PlanVersion)
class PlanVersionAdmin(ReadingAdmin):
    """A version and its rate cards; drafts are written, tried and published from here."""

    list_display = ("plan", "number", "status", "currencies", "interval", "published_at")
    list_filter = ("status",)
    list_select_related = ("plan",)
    ordering = ("plan__key", "number")
    inlines = (RateCardInline,)
    actions_list = ("start_draft",)
    actions_detail = ("edit_draft", "copy_draft", "see_rehearsal", "see_publication", "see_edits")

    @override
    def get_urls(self) -> list[URLPattern]:
        """Add the pages of the pricing desk."""
        pages = (
            ("draft/", drafting.new, "new"),
            ("draft/example/<int:at>/", drafting.example, "example"),
            ("<int:pk>/draft/", drafting.edit, "draft"),
            ("<int:pk>/rehearse/", rehearsing.rehearse, "rehearse"),
            ("<int:pk>/publish/", publishing.publish, "publish"),
            ("<int:pk>/edits/", reviewing.review, "edits"),
        )
        own = [
            path(route, self.admin_site.admin_view(view), name=f"billing_planversion_{name}")
            for route, view, name in pages
        ]
        return [*own, *super().get_urls()]

    # Named by methods: a permission named by its code would be looked up while the database may still be empty.
    def has_begin_permission(self, request: HttpRequest, _object_id: object = None) -> bool:
        """Whether one may begin a draft."""
        return request.user.has_perm("billing.add_planversion")

    def has_edit_permission(self, request: HttpRequest, _object_id: object = None) -> bool:
        """Whether one may edit, rehearse and publish."""
        return request.user.has_perm("billing.change_planversion")

    @action(description="New version", permissions=["begin"])  # type: ignore[untyped-decorator]  # unfold ships no types
    def start_draft(self, _request: HttpRequest) -> HttpResponse:
        """Lead to an empty form."""
        return redirect(address("new"))

    @action(description="Edit the draft", permissions=["edit"])  # type: ignore[untyped-decorator]  # unfold ships no types
    def edit_draft(self, _request: HttpRequest, object_id: int) -> HttpResponse:
        """Lead to the form of a draft."""
        return redirect(address("draft", object_id))

    @action(description="Copy as a draft", permissions=["begin"])  # type: ignore[untyped-decorator]  # unfold ships no types
    def copy_draft(self, _request: HttpRequest, object_id: int) -> HttpResponse:
        """Lead to a form with the version's content."""
        return redirect(f"{address('new')}?copy={object_id}")

    @action(description="Back-test", permissions=["edit"])  # type: ignore[untyped-decorator]  # unfold ships no types
    def see_rehearsal(self, _request: HttpRequest, object_id: int) -> HttpResponse:
        """Lead to what customers would have paid."""
        return redirect(address("rehearse", object_id))

    @action(description="Publish", permissions=["edit"])  # type: ignore[untyped-decorator]  # unfold ships no types
    def see_publication(self, _request: HttpRequest, object_id: int) -> HttpResponse:
        """Lead to the proposal and the approval."""
        return redirect(address("publish", object_id))

    @action(description="What changed", permissions=["view"])  # type: ignore[untyped-decorator]  # unfold ships no types
    def see_edits(self, _request: HttpRequest, object_id: int) -> HttpResponse:
        """Lead to who changed what."""
        return redirect(address("edits", object_id))
