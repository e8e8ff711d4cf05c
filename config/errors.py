"""The only table from domain errors to HTTP: a refusal is an RFC 9457 problem, our fault a 503 with Retry-After."""

from collections.abc import Callable
from typing import Any

import structlog
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.defaults import page_not_found
from rest_framework import exceptions as drf
from rest_framework.response import Response
from rest_framework.views import exception_handler

import agents.compat.errors
import agents.errors
import billing.endpoints.errors
import billing.errors
import billing.papers.errors
import billing.stripe.errors
import metering.errors
import runtime.wire
from agents.otlp import wire as otlp

log = structlog.get_logger(__name__)

STATUS: dict[type[Exception], tuple[int, str]] = {
    agents.errors.InvalidKeyError: (401, "The key is not valid"),
    agents.errors.MissingScopeError: (403, "The key may not do this"),
    agents.errors.UnknownDeviceError: (403, "The device is not enrolled for this key"),
    agents.errors.UnsupportedContentTypeError: (415, "The content type is not understood"),
    agents.errors.RequestTooLargeError: (413, "The request is too large"),
    agents.errors.MalformedRequestError: (400, "The request cannot be read"),
    agents.errors.KeyInUseError: (409, "The first request is still being done"),
    agents.errors.KeyReusedError: (422, "The key was used for another request"),
    agents.errors.SequenceGapError: (409, "Events are missing before this batch"),
    agents.errors.ForkedChainError: (409, "The device's chain does not continue what was received"),
    agents.errors.QuarantinedDeviceError: (409, "The device is in quarantine"),
    agents.errors.UnknownReviewError: (409, "Nothing here waits for a person"),
    agents.errors.SeatStateError: (409, "The seat is in another state"),
    agents.errors.FeedError: (400, "The feeds cannot be declared or compared so"),
    agents.errors.RejectedEventError: (422, "The event was rejected"),
    agents.errors.ConflictingEventError: (409, "The event conflicts with one already counted"),
    agents.compat.errors.RefusedEventsError: (400, "Events were refused"),
    agents.compat.errors.ContradictedEventsError: (409, "Events conflict with those already counted"),
    agents.compat.errors.InvalidEventsError: (422, "Events were refused"),
    agents.compat.errors.EventNotFoundError: (404, "There is no such event"),
    runtime.wire.BadSignatureError: (403, "The signature does not fit the batch"),
    runtime.wire.ChainMismatchError: (422, "The events do not fit the signed chain"),
    runtime.wire.WireError: (400, "The batch header cannot be read"),
    metering.errors.UnknownMeterError: (404, "There is no such meter"),
    metering.errors.InvalidMeterError: (422, "The meter cannot be defined so"),
    metering.errors.MeterTakenError: (409, "There is such a meter"),
    metering.errors.MeterArchivedError: (409, "The meter is archived"),
    metering.errors.UnknownEventError: (404, "There is no such event"),
    metering.errors.AlreadyVoidedError: (409, "The event was taken back before"),
    metering.errors.ArchivedEventError: (409, "The event is archived"),
    metering.errors.InvalidVoidError: (422, "The event cannot be taken back so"),
    metering.errors.MeteringError: (400, "The question cannot be answered"),
    billing.errors.ChangeFieldError: (422, "The change cannot be asked for so"),
    billing.errors.ChangeRefusedError: (409, "The subscription cannot be changed so"),
    billing.errors.SubscriptionExistsError: (409, "The customer has a subscription"),
    billing.errors.PlanVersionConflictError: (409, "The version is published with other content"),
    billing.errors.PlanNotPublishedError: (409, "The plan is not on offer"),
    billing.errors.ApprovalError: (409, "The publication cannot be decided so"),
    billing.endpoints.errors.EndpointLimitError: (409, "There are enough endpoints"),
    billing.endpoints.errors.UnknownDeliveryError: (404, "There is no such message"),
    billing.endpoints.errors.EndpointError: (422, "The endpoint cannot be used"),
    billing.papers.errors.PdfUnavailableError: (501, "No PDF can be made here"),
    billing.errors.PlanError: (422, "The plan cannot be used"),
    billing.errors.BeyondInvoiceError: (409, "The invoice has less left"),
    billing.errors.SecondPersonError: (403, "A second person is needed"),
    billing.errors.CreditNoteError: (422, "The credit note cannot be used so"),
    billing.errors.RefundError: (409, "The money cannot go back so"),
    billing.errors.MoneyError: (422, "The amount cannot be used"),
    billing.errors.PeriodError: (422, "The time cannot be used"),
    billing.errors.RatingError: (409, "The usage cannot be priced"),
    billing.errors.CloseError: (409, "The period cannot be closed now"),
    billing.stripe.errors.CounterpartError: (409, "Stripe has no customer to open this for"),
    billing.errors.InvoiceError: (409, "The invoice cannot do this"),
    billing.errors.PaymentConflictError: (409, "The payment is recorded with other facts"),
    billing.errors.CreditConflictError: (409, "The grant is recorded with other facts"),
    billing.errors.CreditEndedError: (409, "The grant has ended"),
    billing.errors.InsufficientCreditError: (409, "Less credit is left"),
    billing.errors.CreditError: (422, "The credit cannot be used"),
    billing.errors.TopUpStateError: (409, "The top-up was settled before"),
    billing.errors.CouponError: (422, "The coupon cannot be redeemed"),
    drf.NotAuthenticated: (401, "A key is needed"),
    drf.AuthenticationFailed: (401, "The key is not valid"),
    drf.PermissionDenied: (403, "Not allowed"),
    drf.NotFound: (404, "Not found"),
    Http404: (404, "Not found"),
    drf.MethodNotAllowed: (405, "Method not allowed"),
    drf.ParseError: (400, "The request cannot be read"),
    drf.NotAcceptable: (406, "Nothing here is of that media type"),
    drf.UnsupportedMediaType: (415, "The content type is not understood"),
    drf.ValidationError: (400, "The request is not valid"),
}
# Never a caller's doing: a booking that does not add up, a schedule that the settings say wrongly, and what passes
# between us and Stripe, whose door for webhooks has answers of its own. Where the table says nothing of one of these
# and it comes to a caller, it is our fault, 503.
INTERNAL: tuple[type[Exception], ...] = (
    billing.errors.LedgerError,
    billing.errors.DunningError,
    billing.stripe.errors.CollectionError,
)
RETRY_SECONDS = 5
API_PREFIXES = ("/v1/", "/api/v1/")
# Doors whose clients know another form of error than problem+json; an answer's headers are kept. Where one address has
# clients of two kinds, the request itself carries its `word_problem`.
WORDINGS: dict[str, Callable[[HttpRequest, HttpResponse], HttpResponse]] = {"/v1/traces": otlp.word_problem}


def problem(error: Exception) -> HttpResponse:
    """Return `error` as application/problem+json (RFC 9457), with `errors[].pointer` where the error names fields.

    An error that is not in the table is a fault of ours: 503 with Retry-After, because senders drop data on a 500.
    """
    status, title = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), (503, "Try again"))
    ours = status == 503  # noqa: PLR2004
    if ours:
        log.error("fault", exc_info=error)
    body: dict[str, Any] = {"type": "about:blank", "title": title, "status": status}
    body["detail"] = "The service could not do this now; nothing was lost." if ours else _detail(error)
    body |= getattr(error, "members", {})
    answer = JsonResponse(body, status=status, content_type="application/problem+json")
    for name, value in getattr(error, "headers", {}).items():
        answer[name] = value
    if ours:
        answer["Retry-After"] = str(RETRY_SECONDS)
    if status == 401:  # noqa: PLR2004
        answer["WWW-Authenticate"] = "Bearer"
    return answer


def _detail(error: Exception) -> str:
    return str(error.detail) if isinstance(error, drf.APIException) else str(error)


def answer_problem(error: Exception, context: dict[str, Any]) -> Response | HttpResponse | None:
    """Answer an exception of a REST view; wired as DRF's exception handler."""
    exception_handler(error, context)  # marks the transaction for rollback
    return problem(error)


def answer_missing(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer an address that is not there: the API's senders get a problem, people a page."""
    if not request.path.startswith(API_PREFIXES):
        return page_not_found(request, exception)
    return problem(drf.NotFound("There is nothing at this address."))


class ProblemMiddleware:
    """Answers an exception of a plain API view as a problem; pages for people keep Django's own error pages."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on; nothing that is stored has U+0000 in its name, and PostgreSQL would not even look."""
        if "\0" in request.path and request.path.startswith(API_PREFIXES):
            return problem(drf.NotFound("There is nothing at this address."))
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Turn an exception of the API into a problem."""
        if not request.path.startswith(API_PREFIXES):
            return None
        answer = problem(error)
        word = getattr(request, "word_problem", None) or WORDINGS.get(request.path)
        return answer if word is None else word(request, answer)


__all__ = ["INTERNAL", "STATUS", "ProblemMiddleware", "answer_missing", "answer_problem", "problem"]
