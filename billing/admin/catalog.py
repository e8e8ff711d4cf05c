"""Plans, their versions and rate cards, with prices as tables that a person can read."""

from collections.abc import Iterable, Sequence

from django.contrib import admin
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from billing.admin.reading import ReadingAdmin, ReadingInline
from billing.models import Plan, PlanVersion, RateCard
from billing.rating import prices
from billing.rating.numbers import text_of
from billing.rating.prices import Flat, Graduated, Package, Price, Unit

_TABLE = '<table class="w-full"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>'


def price_table(price: Price) -> SafeString:
    """Return a price for reading: a sentence, or a table of its tiers."""
    match price:
        case Flat(amount):
            return format_html("{} in all", text_of(amount))
        case Unit(amount):
            return format_html("{} each", text_of(amount))
        case Package(size, amount):
            return format_html("{} for every started {}", text_of(amount), text_of(size))
        case Graduated(tiers):
            rows = [
                ("and above" if tier.up_to is None else text_of(tier.up_to), text_of(tier.unit), text_of(tier.flat))
                for tier in tiers
            ]
            return _table(("up to and including", "each", "on entering"), rows)


def price_tables(card: RateCard) -> SafeString:
    """Return the price of a rate card in each currency."""
    rows = ((currency, price_table(prices.parse(price))) for currency, price in card.prices.items())
    return format_html_join("", "<div>{} {}</div>", rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> SafeString:
    cells = format_html_join("", '<th class="text-left pr-4">{}</th>', ((name,) for name in head))
    lines = ((format_html_join("", '<td class="pr-4">{}</td>', ((cell,) for cell in row)),) for row in rows)
    return format_html(_TABLE, cells, format_html_join("", "<tr>{}</tr>", lines))


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
        return _table(("line", "meter", "price"), rows)


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
    """A version and its rate cards."""

    list_display = ("plan", "number", "status", "currencies", "interval", "published_at")
    list_filter = ("status",)
    list_select_related = ("plan",)
    ordering = ("plan__key", "number")
    inlines = (RateCardInline,)
