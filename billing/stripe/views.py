"""The door for Stripe's webhooks."""

import structlog
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from billing.stripe import webhooks
from billing.stripe.errors import CollectionError, StripeNotConfiguredError

log = structlog.get_logger(__name__)


@csrf_exempt
@require_POST
def receive_webhook(request: HttpRequest) -> HttpResponse:
    """Answer 200 once the event is committed, also when we had it; 400 where it is not from Stripe or not for us.

    Without a signing secret 503, so that Stripe delivers again once there is one.
    """
    now = timezone.now()  # noqa: TID251 a view is the edge: here the clock is read
    try:
        webhooks.receive(body=request.body, signature=request.headers.get("Stripe-Signature", ""), now=now)
    except StripeNotConfiguredError as error:
        log.error("webhook.not_configured", reason=str(error))  # noqa: TRY400 a missing setting needs no traceback
        return HttpResponse("The webhook endpoint is not configured.\n", status=503, content_type="text/plain")
    except CollectionError as error:
        log.warning("webhook.refused", reason=f"{type(error).__name__}: {error}")
        return HttpResponse(f"{error}\n", status=400, content_type="text/plain")
    return HttpResponse("ok\n", content_type="text/plain")
