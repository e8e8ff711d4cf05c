"""What billing refuses, and why.

BillingError
├── MoneyError                      an amount cannot be used
│   ├── UnknownCurrencyError        the currency is not on the allow-list
│   └── CurrencyMismatchError       two currencies meet where one is meant
├── PeriodError                     bounds, zone or interval of a period cannot be used
├── RatingError                     usage cannot be turned into a charge
│   └── NegativeQuantityError       a meter reported less than nothing
├── PlanError                       a plan cannot be used
│   ├── PriceError                  a price's document is wrong
│   ├── PlanDocumentError           another field of a plan's document is wrong
│   ├── PlanVersionConflictError    the version exists with other content, and is published
│   ├── PlanNotPublishedError       the version is a draft or archived
│   └── ApprovalError               a publication cannot be proposed or decided
├── SubscriptionExistsError         the customer has a subscription at that time
├── ChangeRefusedError              a subscription cannot be changed so, or not from then on
│   └── ChangeFieldError            a field of what was asked for is wrong
├── CloseError                      a period cannot be closed now
│   ├── PeriodNotDueError           it has not ended, or late usage is still awaited
│   ├── AwaitedError                it waits for something that comes by itself
│   │   ├── UsageNotFoldedError     accepted usage is still on its way into the quantities
│   │   ├── DevicesAwaitedError     a device may still hold usage
│   │   └── EarlierInvoiceError     an earlier invoice of the subscription is not issued
│   ├── DraftChangedError           a draft is not what its period comes to any more
│   ├── OutOfBoundsError            it comes to something so odd that a person has to look
│   └── InterventionError           a person cannot do this to the period, or gave no reason
├── InvoiceError                    an invoice cannot do this
│   ├── InvoiceStateError           the invoice is in the wrong state for it
│   └── CreditNoteError             a credit note cannot be written, issued or voided so
│       ├── CreditNoteConflictError     its key stands for another note
│       ├── BeyondInvoiceError          it lowers more than the invoice has left
│       ├── AllocationError             what it goes to does not add up
│       └── SecondPersonError           it is above the limit: somebody else issues it
├── RefundError                     money cannot go back so, or came back otherwise
├── PaymentConflictError            the same payment came with other facts
├── CreditError                     credit cannot be granted, drawn or ended
│   ├── CreditConflictError         the same grant came with other facts
│   ├── CreditEndedError            the grant was voided or has expired
│   └── InsufficientCreditError     less is left than is to be drawn
├── TopUpStateError                 the top-up was settled before, otherwise
├── DunningError                    the schedule of reminders cannot be used
├── CouponError                     a coupon cannot be redeemed
└── LedgerError                     a booking is refused
    ├── UnbalancedError             its entries do not sum to zero
    └── LedgerConflictError         its key is taken by another booking
"""


class BillingError(Exception):
    """Base of everything this package refuses."""


class MoneyError(BillingError):
    """An amount is no exact number of the currency's smallest units, or too large."""


class UnknownCurrencyError(MoneyError):
    """The currency is not on the allow-list."""


class CurrencyMismatchError(MoneyError):
    """Amounts of two currencies were to be mixed."""


class PeriodError(BillingError):
    """The bounds, the time zone or the interval of a period cannot be used."""


class RatingError(BillingError):
    """Usage cannot be turned into a charge."""


class NegativeQuantityError(RatingError):
    """A meter reported less than nothing; no price is defined for that."""


class _FieldError(BillingError):
    """A field of a document is wrong; `field` is its path, such as `rate_cards[1].price.tiers[0].up_to`."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(f"{field}: {detail}")
        self.field = field
        self.detail = detail

    @property
    def members(self) -> dict[str, object]:
        """The field as a JSON pointer, for the problem document (RFC 9457)."""
        pointer = "/" + self.field.replace("[", "/").replace("]", "").replace(".", "/")
        return {"errors": [{"pointer": pointer, "detail": self.detail}]}


class PlanError(BillingError):
    """A plan cannot be used."""


class PriceError(_FieldError, PlanError):
    """A field of a price's document is wrong."""


class PlanDocumentError(_FieldError, PlanError):
    """A field of a plan's document is wrong."""


class PlanVersionConflictError(PlanError):
    """The plan version was published with other content; a published version never changes."""


class PlanNotPublishedError(PlanError):
    """The plan version is a draft or archived."""


class ApprovalError(PlanError):
    """A publication cannot be proposed or decided: not a draft, edited since, decided before, or by the same person."""


class SubscriptionExistsError(BillingError):
    """The customer already has a subscription at that time."""


class ChangeRefusedError(BillingError):
    """The subscription is in no state for the change, or what would change is invoiced already."""


class ChangeFieldError(_FieldError, ChangeRefusedError):
    """A field of what was asked for is wrong: no such operation, plan, card or time."""


class CloseError(BillingError):
    """A period cannot be closed now."""


class PeriodNotDueError(CloseError):
    """The period has not ended, or its grace for late usage is still running."""


class AwaitedError(CloseError):
    """The period waits for something that comes by itself: try again later."""


class UsageNotFoldedError(AwaitedError):
    """Usage was accepted that is not in the quantities yet; fold it, then close."""


class DevicesAwaitedError(AwaitedError):
    """A device that reported in the period is not complete up to its end, and the time to wait for it is running."""


class EarlierInvoiceError(AwaitedError):
    """An invoice of the same subscription that comes before is not issued yet."""


class DraftChangedError(CloseError):
    """A draft that waited for its review is not what its period comes to any more."""

    def __init__(self, message: str, *, invoice_id: int) -> None:
        super().__init__(message)
        self.invoice_id = invoice_id


class OutOfBoundsError(CloseError):
    """What the period comes to is beyond the operator's bounds; a person may release it."""


class InterventionError(CloseError):
    """A person cannot do this to the period as it stands, or did not say who and why."""


class InvoiceError(BillingError):
    """An invoice cannot do this."""


class InvoiceStateError(InvoiceError):
    """The invoice is in the wrong state for the operation."""


class CreditNoteError(InvoiceError):
    """A credit note cannot be written, issued or voided so."""


class CreditNoteConflictError(CreditNoteError):
    """A credit note with the same key on another invoice, or over other lines, exists."""


class BeyondInvoiceError(CreditNoteError):
    """All notes together would lower a line, or the invoice, by more than it has."""


class AllocationError(CreditNoteError):
    """What a note lowers beyond what is owed is not divided whole, or more is to be refunded than was paid."""


class SecondPersonError(CreditNoteError):
    """The note is above the operator's limit; who drafted it does not issue it."""


class RefundError(BillingError):
    """A refund is in the wrong state for this, or came with other facts than it was asked with."""


class PaymentConflictError(BillingError):
    """A payment that is already recorded came again with another invoice, amount or currency."""


class CreditError(BillingError):
    """Credit cannot be granted, drawn or ended."""


class CreditConflictError(CreditError):
    """A grant with the same key but other facts exists."""


class CreditEndedError(CreditError):
    """The grant was voided or has expired."""


class InsufficientCreditError(CreditError):
    """Less is left of a grant than is to be drawn."""


class TopUpStateError(BillingError):
    """The top-up has been paid or given up before."""


class CouponError(BillingError):
    """The coupon cannot be redeemed: outside its window, too often, in another currency, or by its customer before."""


class DunningError(BillingError):
    """The schedule of reminders, as the settings say it, cannot be used."""


class LedgerError(BillingError):
    """A booking is refused."""


class UnbalancedError(LedgerError):
    """The entries of a booking do not sum to zero in every currency."""


class LedgerConflictError(LedgerError):
    """A booking with the same key but other entries exists."""
