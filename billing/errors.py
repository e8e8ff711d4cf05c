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
├── PeriodNotDueError               the period cannot be closed yet
├── UsageNotFoldedError             accepted usage is still on its way into the quantities
├── InvoiceError                    an invoice cannot do this
│   └── InvoiceStateError           the invoice is in the wrong state for it
├── PaymentConflictError            the same payment came with other facts
├── CreditError                     credit cannot be granted, drawn or ended
│   ├── CreditConflictError         the same grant came with other facts
│   ├── CreditEndedError            the grant was voided or has expired
│   └── InsufficientCreditError     less is left than is to be drawn
├── TopUpStateError                 the top-up was settled before, otherwise
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


class PeriodNotDueError(BillingError):
    """The period has not ended, or its grace for late usage is still running."""


class UsageNotFoldedError(BillingError):
    """Usage was accepted that is not in the quantities yet; fold it, then close."""


class InvoiceError(BillingError):
    """An invoice cannot do this."""


class InvoiceStateError(InvoiceError):
    """The invoice is in the wrong state for the operation."""


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


class LedgerError(BillingError):
    """A booking is refused."""


class UnbalancedError(LedgerError):
    """The entries of a booking do not sum to zero in every currency."""


class LedgerConflictError(LedgerError):
    """A booking with the same key but other entries exists."""
