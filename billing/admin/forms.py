"""Forms of the admin that say which field is wrong, before a constraint would say it of the row as a whole."""

from decimal import Decimal
from typing import Any

from django import forms
from typing_extensions import override

from billing import ledger
from billing.errors import BillingError
from billing.models import Coupon, RateCard, RecurringGrant, TopUp, TopUpRule
from billing.models.coupons import Duration
from billing.models.top_ups import TopUpStatus
from billing.money import Money

_HUNDRED = Decimal(100)


class _NamingForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """Knows what a row would hold: what is asked for, and what stays as it is."""

    def value(self, name: str) -> Any:  # noqa: ANN401 - of any field
        """Return what a field would hold; None where it could not be read."""
        if name in self.errors:
            return None
        return self.cleaned_data.get(name) if name in self.fields else getattr(self.instance, name)

    def refuse(self, name: str, problem: str, *, when: bool) -> None:
        """Name a field that is wrong; where it is not on the page, the page as a whole."""
        if when and name not in self.errors:
            self.add_error(name if name in self.fields else None, problem)

    def refuse_inexact(self, name: str, amount: Decimal | None, currency: str | None) -> None:
        """Refuse an amount that the currency does not have, and a currency that we do not know."""
        if amount is None or not currency:
            return
        try:
            Money(amount, currency)
        except BillingError as error:
            self.refuse(name, str(error), when=True)


class CouponForm(_NamingForm):
    """Asks for a coupon: a percentage or an amount, for how long, and who may redeem it when."""

    class Meta:
        model = Coupon
        fields = (
            "code",
            "name",
            "percent",
            "amount",
            "currency",
            "duration",
            "periods",
            "cards",
            "redeemable_from",
            "redeemable_until",
            "max_redemptions",
        )

    @override
    def clean(self) -> dict[str, Any]:
        """Name the field that does not go with the others."""
        told: dict[str, Any] = super().clean() or {}
        self._check_rebate()
        self._check_duration()
        self._check_redemption()
        return told

    def _check_rebate(self) -> None:
        percent, amount, currency = self.value("percent"), self.value("amount"), self.value("currency")
        if percent is None and amount is None:
            self.refuse("percent", "A percentage or an amount is needed.", when="amount" not in self.errors)
            return
        if percent is not None:
            self.refuse("amount", "It has no place beside a percentage.", when=amount is not None)
            self.refuse("currency", "It has no place beside a percentage.", when=bool(currency))
            self.refuse("percent", "It is above 0 and at most 100.", when=not 0 < percent <= _HUNDRED)
            return
        self.refuse("amount", "It must be above 0.", when=amount <= 0)
        self.refuse("currency", "An amount needs a currency.", when=not currency)
        self.refuse_inexact("amount", amount, currency)

    def _check_duration(self) -> None:
        duration, periods = self.value("duration"), self.value("periods")
        if duration == Duration.PERIODS:
            self.refuse("periods", "For how many periods? At least 1.", when=not periods)
        elif duration is not None:
            self.refuse("periods", f"It has no place beside {duration}.", when=periods is not None)

    def _check_redemption(self) -> None:
        starts_at, ends_at = self.value("redeemable_from"), self.value("redeemable_until")
        is_swapped = bool(starts_at and ends_at and ends_at <= starts_at)
        self.refuse("redeemable_until", "It must be after the time from which it may be redeemed.", when=is_swapped)
        most, redeemed = self.value("max_redemptions"), self.instance.redeemed or 0
        self.refuse("max_redemptions", "It is at least 1.", when=most == 0)
        self.refuse("max_redemptions", f"It was redeemed {redeemed} times.", when=bool(most) and most < redeemed)
        asked = set(self.value("cards") or ())
        unknown = asked - set(RateCard.objects.filter(key__in=asked).values_list("key", flat=True))
        self.refuse("cards", f"No plan has a rate card {', '.join(sorted(unknown))}.", when=bool(unknown))


class TopUpRuleForm(_NamingForm):
    """Asks for a rule that buys prepaid credit when little is left."""

    class Meta:
        model = TopUpRule
        fields = ("customer", "currency", "threshold", "amount", "max_per_day", "stopped_at")

    @override
    def clean(self) -> dict[str, Any]:
        """Name the field that does not go with the others."""
        told: dict[str, Any] = super().clean() or {}
        customer, currency = self.value("customer"), self.value("currency")
        is_other = bool(customer and currency and currency != customer.currency)
        self.refuse("currency", f"{customer} pays in {customer.currency if customer else ''}.", when=is_other)
        threshold, amount, most = self.value("threshold"), self.value("amount"), self.value("max_per_day")
        self.refuse("threshold", "It is at least 0.", when=threshold is not None and threshold < 0)
        self.refuse("amount", "It must be above 0.", when=amount is not None and amount <= 0)
        self.refuse("max_per_day", "It is at least 1.", when=most == 0)
        self.refuse_inexact("threshold", threshold, currency)
        self.refuse_inexact("amount", amount, currency)
        self._refuse_second(customer, currency)
        return told

    def _refuse_second(self, customer: Any, currency: str | None) -> None:  # noqa: ANN401 - a customer, where there is one
        if customer and currency and self.value("stopped_at") is None:
            live = TopUpRule.objects.filter(customer=customer, currency=currency, stopped_at=None)
            is_second = live.exclude(pk=self.instance.pk).exists()
            self.refuse("customer", f"There is a rule in {currency} already; stop that first.", when=is_second)


class TopUpForm(_NamingForm):
    """Asks which money has come for a top-up."""

    class Meta:
        model = TopUp
        fields = ("payment",)
        help_texts = {"payment": "Reference of the transfer, or the provider's id. It becomes credit, once."}

    @override
    def clean(self) -> dict[str, Any]:
        """Name the field where no money is told, or none is awaited any more."""
        told: dict[str, Any] = super().clean() or {}
        self.refuse("payment", "Which money has come?", when=not self.value("payment"))
        self.refuse("payment", "It was settled meanwhile.", when=self.instance.status != TopUpStatus.DUE)
        return told

    def _post_clean(self) -> None:
        """Check that the money has paid no other top-up; the row itself is changed by what settles it."""
        payment = self.value("payment")
        taken = TopUp.objects.filter(payment=payment).exclude(pk=self.instance.pk)
        self.refuse("payment", "It has paid another top-up.", when=bool(payment) and taken.exists())


class RecurringGrantForm(_NamingForm):
    """Asks for a rule that gives credit again and again."""

    class Meta:
        model = RecurringGrant
        fields = (
            "customer",
            "name",
            "currency",
            "amount",
            "priority",
            "cards",
            "lasts_months",
            "starts_at",
            "ends_at",
        )

    @override
    def clean(self) -> dict[str, Any]:
        """Name the field that does not go with the others."""
        told: dict[str, Any] = super().clean() or {}
        amount, currency = self.value("amount"), self.value("currency")
        self.refuse("amount", "It must be above 0.", when=amount is not None and amount <= 0)
        if amount is not None and currency:
            try:
                ledger.value_of(amount, currency)
            except BillingError as error:
                self.refuse("amount", str(error), when=True)
        starts_at, ends_at = self.value("starts_at"), self.value("ends_at")
        self.refuse("ends_at", "It must be after the start.", when=bool(starts_at and ends_at and ends_at <= starts_at))
        return told
