"""Pay links: an address of ours for an invoice that never changes, and leads to the page where Stripe takes the money.

It can be printed before Stripe knows the invoice. Whoever holds it can pay and sees nothing else.
"""

from typing import Final
from urllib.parse import urlsplit

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.urls import reverse

from billing.models import Invoice, StripeInvoice
from billing.models.invoices import InvoiceStatus

_SALT: Final = "billing.pay_links"


def url_of(*, invoice: Invoice) -> str:
    """Return the pay link of an issued invoice; the same for ever, as long as the service's secret and address stay."""
    token = Signer(salt=_SALT).sign(str(invoice.number))
    return settings.PUBLIC_URL.rstrip("/") + reverse("portal:pay", args=[token])


def find(*, token: str) -> Invoice | None:
    """Return the issued invoice of a pay link; None for a link that is none of ours."""
    try:
        number = Signer(salt=_SALT).unsign(token)
    except BadSignature:
        return None
    return Invoice.objects.filter(number=number).exclude(status=InvoiceStatus.DRAFT).select_related("stripe").first()


def hosted_page(*, invoice: Invoice) -> str:
    """Return the page on which Stripe takes the payment of an open invoice; empty where there is none (yet)."""
    counterpart: StripeInvoice | None = getattr(invoice, "stripe", None)
    if counterpart is None or invoice.status != InvoiceStatus.OPEN:
        return ""
    return counterpart.hosted_url if urlsplit(counterpart.hosted_url).scheme in {"http", "https"} else ""
