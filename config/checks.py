"""Start-up checks: a wrong setting fails when the service starts, with a stable id and a way on."""

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register


@register(Tags.security)
def check_stripe(**_kwargs: object) -> list[CheckMessage]:
    """Refuse a live Stripe key without a webhook secret: payments would never be noticed."""
    if settings.STRIPE_API_KEY.startswith("sk_live_") and not settings.STRIPE_WEBHOOK_SECRET:
        hint = "Set STRIPE_WEBHOOK_SECRET to the signing secret of the endpoint /webhooks/stripe."
        return [Error("STRIPE_API_KEY is live, but no webhook secret is set.", hint=hint, id="config.E001")]
    return []


@register(Tags.security)
def check_debug(**_kwargs: object) -> list[CheckMessage]:
    """Refuse live money with DEBUG on."""
    if settings.DEBUG and settings.STRIPE_API_KEY.startswith("sk_live_"):
        return [Error("DEBUG is on with a live Stripe key.", hint="Unset AGENTMETER_DEBUG.", id="config.E002")]
    return []
