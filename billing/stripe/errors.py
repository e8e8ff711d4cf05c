"""What can go wrong between our invoices and Stripe.

CollectionError
├── StripeNotConfiguredError        a key, an address or a secret is missing
├── FloatInPayloadError             a request holds a float; money and quantities are exact
├── NothingToCollectError           an invoice that is not open, or of zero, has no business at Stripe
├── OutboxStateError                a message is in no state for what a person asks of it
├── TaxNotAssessedError             an invoice waits for Stripe Tax
├── CallError                       a call did not succeed
│   ├── RefusedError                Stripe said no, and would say so again
│   │   ├── DeclinedError           a bank refused to pay
│   │   └── NotThereError           what was asked for does not exist
│   ├── TryLaterError               nothing was done and it is not about this request: limits, keys in use, our access
│   │   └── OverLimitError          our own limit of calls a second is reached; nothing was sent
│   └── OutcomeUnknownError         no answer or Stripe's own failure: it may or may not have been done
├── OldKeyError                     a message must be asked under a new key, if at all
├── CounterpartError                what Stripe holds cannot be used
│   ├── CustomerGoneError           the customer was deleted at Stripe
│   ├── CounterpartMissingError     an object that we know of is not there, or not known here yet
│   ├── DifferenceError             Stripe's invoice is not ours to the cent
│   ├── DuplicateError              two objects at Stripe stand for one of ours
│   └── ModeError                   a live object meets a test key, or the other way round
└── WebhookError                    a delivery is refused
    ├── BadSignatureError           the signature does not fit the body
    ├── UntimelyError               the signature is too old, or from the future
    └── MalformedEventError         the body is no event
"""

from billing.errors import BillingError


class CollectionError(BillingError):
    """Base of everything that can go wrong between our invoices and Stripe."""


class StripeNotConfiguredError(CollectionError):
    """A setting that the Stripe side cannot do without is missing; the message names it."""


class FloatInPayloadError(CollectionError):
    """A request to Stripe holds a float; the message says where."""


class NothingToCollectError(CollectionError):
    """The invoice is not open or comes to zero; there is nothing for Stripe to collect."""


class OutboxStateError(CollectionError):
    """A message cannot be asked again: it is done, on its way, or replaced by a newer one."""


class TaxNotAssessedError(CollectionError):
    """The tax of an invoice comes from Stripe Tax, and was not worked out yet."""


class CallError(CollectionError):
    """A call to Stripe did not succeed."""


class RefusedError(CallError):
    """Stripe refused the request for what it says; sending it again would be refused again.

    `param` is the parameter that it refused, where Stripe said which.
    """

    def __init__(self, message: str, *, param: str = "") -> None:
        super().__init__(message)
        self.param = param


class DeclinedError(RefusedError):
    """A bank refused to pay, or asks its customer first; `code` is Stripe's word for why."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class NotThereError(RefusedError):
    """Stripe has no such object."""


class TryLaterError(CallError):
    """Stripe did not carry out the request for a reason outside it: a limit, a key in use, our access."""


class OverLimitError(TryLaterError):
    """Our own limit of calls is reached; the call was not made."""


class OutcomeUnknownError(CallError):
    """No answer came, or Stripe failed while working: the request may or may not have been carried out."""


class OldKeyError(CollectionError):
    """Stripe may have forgotten the message's key; it was looked for and not found, so a new generation asks."""


class CounterpartError(CollectionError):
    """What Stripe holds for one of our rows cannot be used."""


class CustomerGoneError(CounterpartError):
    """The customer was deleted at Stripe; making another would lose its payment method and balance."""


class CounterpartMissingError(CounterpartError):
    """An object is known on one side only."""


class DifferenceError(CounterpartError):
    """Stripe's invoice differs from ours; the message lists every difference."""


class DuplicateError(CounterpartError):
    """More than one object at Stripe stands for one of ours."""


class ModeError(CounterpartError):
    """Live and test mode would mix."""


class WebhookError(CollectionError):
    """A webhook delivery is refused."""


class BadSignatureError(WebhookError):
    """The signature is missing, malformed or made with another secret or for another body."""


class UntimelyError(WebhookError):
    """The delivery was signed too long ago, or in the future."""


class MalformedEventError(WebhookError):
    """The signed body is not an event of Stripe's."""
