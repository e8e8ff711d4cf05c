"""Credit of customers: granted and voided here, and what became of each grant; rules that grant and top up."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

from django import forms
from django.contrib import admin, messages
from django.db.models import Model, QuerySet, Sum
from django.http import HttpRequest
from typing_extensions import override

from billing import credits, ledger, top_ups
from billing.admin.adding import AddingAdmin
from billing.admin.forms import RecurringGrantForm, TopUpForm, TopUpRuleForm
from billing.admin.reading import ReadingInline
from billing.credits import Award
from billing.errors import BillingError, CreditEndedError, TopUpStateError
from billing.models import CreditDrawdown, CreditGrant, LedgerEntry, RecurringGrant, TopUp, TopUpRule
from billing.models.credits import Funding, GrantKind
from billing.models.top_ups import TopUpStatus
from billing.rating.numbers import text_of


class GrantForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """Asks for a grant; sent twice, it is one grant, because the page brings its key."""

    class Meta:
        model = CreditGrant
        fields = (
            "key",
            "customer",
            "kind",
            "currency",
            "amount",
            "funding",
            "name",
            "source",
            "priority",
            "cards",
            "effective_at",
            "expires_at",
        )
        widgets = {"key": forms.HiddenInput}

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Django's
        super().__init__(*args, **kwargs)
        if "key" in self.fields:  # not where a grant is only shown
            self.fields["key"].initial = f"admin:{uuid4()}"

    @override
    def clean(self) -> dict[str, Any]:
        """Name the field that does not go with the others."""
        told: dict[str, Any] = super().clean() or {}
        if self.errors:
            return told
        try:
            value = ledger.value_of(told["amount"], told["currency"])
        except BillingError as error:
            self.add_error("amount", str(error))
            return told
        is_money = not isinstance(value, ledger.Units)
        if is_money and told["currency"] != told["customer"].currency:
            self.add_error("currency", f"{told['customer'].key} pays in {told['customer'].currency}.")
        if (told["funding"] == Funding.ISSUED) == (is_money and told["kind"] == GrantKind.PREPAID):
            self.add_error("funding", "Prepaid money comes from an account of money, all other credit is issued.")
        if is_money and told["kind"] == GrantKind.PREPAID and told["cards"]:
            self.add_error("cards", "Prepaid money pays whole invoices; it is not limited to rate cards.")
        return told


class EntryInline(ReadingInline):
    """The bookings of a grant; its balance is their sum with the sign turned."""

    model = LedgerEntry
    fields = ("transaction", "exact")
    readonly_fields = ("exact",)
    ordering = ("pk",)

    @admin.display(description="amount")
    def exact(self, entry: LedgerEntry) -> str:
        """Show an amount without the zeros of its column."""
        return f"{text_of(entry.amount)} {entry.currency}"


class DrawdownInline(ReadingInline):
    """What invoices drew of a grant."""

    model = CreditDrawdown
    fields = ("invoice", "exact", "drawn_at")
    readonly_fields = ("exact",)
    ordering = ("pk",)

    @admin.display(description="amount")
    def exact(self, drawdown: CreditDrawdown) -> str:
        """Show an amount without the zeros of its column."""
        return text_of(drawdown.amount)


@admin.register(CreditGrant)
class CreditGrantAdmin(AddingAdmin):
    """Grants, with what is left of them; void takes the rest back."""

    form = GrantForm
    list_display = ("name", "customer", "kind", "granted", "left", "priority", "effective_at", "expires_at", "state")
    list_filter = ("kind", "currency")
    list_select_related = ("customer",)
    search_fields = ("key", "name", "customer__key", "customer__name")
    inlines = (EntryInline, DrawdownInline)
    actions = ("void",)

    @override
    def get_queryset(self, request: HttpRequest) -> QuerySet[CreditGrant]:
        """Add up the entries of the grants listed in the same query."""
        return super().get_queryset(request).annotate(booked=Sum("entries__amount"))  # type: ignore[no-any-return]  # unfold ships no types

    @admin.display(description="granted", ordering="amount")
    def granted(self, grant: CreditGrant) -> str:
        """Show what was granted."""
        return f"{text_of(grant.amount)} {grant.currency}"

    @admin.display(description="left")
    def left(self, grant: CreditGrant) -> str:
        """Show what is left."""
        return text_of(-(getattr(grant, "booked", None) or Decimal(0)))

    @admin.display(description="state")
    def state(self, grant: CreditGrant) -> str:
        """Say whether and how it has ended."""
        return "voided" if grant.voided_at else "expired" if grant.expired_at else "live"

    @override
    def save_model(self, request: HttpRequest, obj: CreditGrant, form: "forms.ModelForm[Any]", change: bool) -> None:
        """Grant through the package's own function, and note who did."""
        del change
        told = form.cleaned_data
        award = Award(
            kind=told["kind"],
            name=told["name"],
            amount=ledger.value_of(told["amount"], told["currency"]),
            effective_at=told["effective_at"],
            expires_at=told["expires_at"],
            priority=told["priority"],
            cards=told["cards"],
            funding=told["funding"],
            source=f"{told['source']}\nGranted in the admin by {request.user}".strip(),
        )
        obj.pk = credits.grant(customer=told["customer"], award=award, key=told["key"], now=datetime.now(UTC)).pk

    @admin.action(description="Void: take back what is left", permissions=["void"])
    def void(self, request: HttpRequest, chosen: QuerySet[CreditGrant]) -> None:
        """Take back what is left of grants; those that have expired are named."""
        for grant in chosen:
            try:
                rest = credits.void(grant=grant, reason=f"in the admin by {request.user}", now=datetime.now(UTC))
            except CreditEndedError as error:
                messages.warning(request, str(error))
            else:
                messages.info(request, f"{grant.name}: {rest} taken back.")

    def has_void_permission(self, request: HttpRequest) -> bool:
        """Whether the user may change grants at all."""
        return request.user.has_perm("billing.change_creditgrant")


@admin.register(RecurringGrant)
class RecurringGrantAdmin(AddingAdmin):
    """Rules that give promotional credit every month."""

    form = RecurringGrantForm
    list_display = ("name", "customer", "currency", "amount", "starts_at", "ends_at")
    list_select_related = ("customer",)
    search_fields = ("name", "customer__key", "customer__name")
    movable = ("ends_at",)


@admin.register(TopUpRule)
class TopUpRuleAdmin(AddingAdmin):
    """Rules that buy prepaid credit when little is left; a rule is stopped, and another one made."""

    form = TopUpRuleForm
    list_display = ("customer", "currency", "threshold", "amount", "max_per_day", "created_at", "stopped_at")
    list_select_related = ("customer",)
    search_fields = ("customer__key", "customer__name")
    movable = ("stopped_at",)


@admin.register(TopUp)
class TopUpAdmin(AddingAdmin):
    """Top-ups and how far they are; those that wait are paid by money that is named, or given up."""

    form = TopUpForm
    exclude = ()
    movable = ("payment",)
    list_display = ("rule", "day", "number", "amount", "status", "payment", "created_at", "settled_at")
    list_filter = ("status",)
    list_select_related = ("rule",)
    search_fields = ("rule__customer__key", "rule__customer__name")
    actions = ("cancel",)

    @override
    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds one by hand: rules do."""
        del request
        return False

    @override
    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Offer the form while money is awaited."""
        is_due = not isinstance(obj, TopUp) or obj.status == TopUpStatus.DUE
        return is_due and super().has_change_permission(request, obj)

    @override
    def save_model(self, request: HttpRequest, obj: TopUp, form: "forms.ModelForm[Any]", change: bool) -> None:
        """Settle through the package's own function: the row is as it was, but for what that does."""
        del request, change
        top_ups.settle(top_up=obj, payment=form.cleaned_data["payment"], now=datetime.now(UTC))
        obj.refresh_from_db()

    @admin.action(description="Give up", permissions=["cancel"])
    def cancel(self, request: HttpRequest, chosen: QuerySet[TopUp]) -> None:
        """Give up top-ups that wait for their money; those that were paid are named."""
        for top_up in chosen:
            try:
                top_ups.cancel(top_up=top_up, now=datetime.now(UTC))
            except TopUpStateError as error:
                messages.warning(request, str(error))

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Whether the user may change top-ups at all."""
        return request.user.has_perm("billing.change_topup")
