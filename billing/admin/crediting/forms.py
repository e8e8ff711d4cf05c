"""The forms of the crediting pages."""

from decimal import Decimal
from typing import Any
from uuid import uuid4

from django import forms
from typing_extensions import override

from billing import mirroring
from billing.credit_notes import Allocation, Cause
from billing.errors import BillingError
from billing.mirroring import Mirrored
from billing.models import Invoice
from billing.models.credit_notes import Reason
from billing.models.invoices import LineKind
from billing.money import Money

_LINE = "line-"
_AMOUNT: dict[str, Any] = {"required": False, "max_digits": 20, "decimal_places": 4}


class LoweringForm(forms.Form):
    """Asks for what an invoice is lowered by: by amounts on lines, by one amount in all, or all that is left.

    Sent twice it is one note, because the page brings its key.
    """

    key = forms.CharField(widget=forms.HiddenInput, max_length=100)
    reason = forms.ChoiceField(choices=Reason.choices)
    explanation = forms.CharField(widget=forms.Textarea(attrs={"rows": 3}), help_text="Printed on the credit note.")
    total = forms.DecimalField(help_text="With tax, spread over all lines; empty: see below.", min_value=0, **_AMOUNT)

    def __init__(self, *args: Any, invoice: Invoice, **kwargs: Any) -> None:  # noqa: ANN401 - Django's
        kwargs.setdefault("initial", {"key": f"admin:{uuid4()}"})
        super().__init__(*args, **kwargs)
        self.invoice, self.lines = invoice, ()
        for one in mirroring.left_of(invoice=invoice):
            if one.line.kind != LineKind.TAX and one.amount:
                label = f"{one.line.position}. {one.line.description}"
                self.fields[f"{_LINE}{one.line.pk}"] = forms.DecimalField(
                    label=label, help_text=f"{one.amount} is left, before tax.", **_AMOUNT
                )

    lines: tuple[Mirrored, ...]

    @override
    def clean(self) -> dict[str, Any]:
        """Work out the mirrored lines; the field that does not go with the invoice is named."""
        told: dict[str, Any] = super().clean() or {}
        if not self.errors:
            try:
                self.lines = self._mirrored(told)
            except BillingError as error:
                self.add_error("total", str(error))
        return told

    def cause(self, actor: str) -> Cause:
        """Return why the note is written. Raises CreditNoteError."""
        told = self.cleaned_data
        return Cause(key=told["key"], reason=Reason(told["reason"]), explanation=told["explanation"], actor=actor)

    def _mirrored(self, told: dict[str, Any]) -> tuple[Mirrored, ...]:
        currency = self.invoice.currency
        amounts = {
            int(name.removeprefix(_LINE)): Money(amount, currency)
            for name, amount in told.items()
            if name.startswith(_LINE) and amount
        }
        if told.get("total") and amounts:
            raise forms.ValidationError("Name one amount in all, or amounts on lines, not both.")
        if amounts:
            return mirroring.of_lines(invoice=self.invoice, amounts=amounts)
        if told.get("total"):
            return mirroring.of_total(invoice=self.invoice, amount=Money(told["total"], currency))
        return mirroring.whole(invoice=self.invoice)


class AllocationForm(forms.Form):
    """Asks where what is beyond the open claim goes; the rest becomes the customer's credit."""

    refund = forms.DecimalField(help_text="Goes back by the way it came.", min_value=0, **_AMOUNT)
    outside = forms.DecimalField(help_text="Was settled past us, such as by a bank transfer.", min_value=0, **_AMOUNT)

    def allocation(self, beyond: Money) -> Allocation:
        """Return the allocation of what is beyond the claim. Raises MoneyError."""
        refund = Money(self.cleaned_data["refund"] or Decimal(0), beyond.currency)
        outside = Money(self.cleaned_data["outside"] or Decimal(0), beyond.currency)
        return Allocation(refund=refund, credit=beyond - refund - outside, outside=outside)


class ReasonForm(forms.Form):
    """Asks why."""

    reason = forms.CharField(widget=forms.Textarea(attrs={"rows": 3}))


class VoidForm(ReasonForm):
    """Asks why, and whether the period waits for a person."""

    is_held = forms.BooleanField(
        required=False, label="Wait with the new invoice", help_text="The period is parked until somebody opens it."
    )
