"""Where billing answers under /v1/."""

from django.urls import path

from billing.api.credit_notes import CreditNoteDetail, CreditNoteList
from billing.api.documents import CreditNoteHtml, CreditNotePdf, InvoiceHtml, InvoicePdf
from billing.api.dunning import DunningDetail
from billing.api.endpoints import (
    WebhookDeliveryList,
    WebhookEndpointDetail,
    WebhookEndpointList,
    WebhookEndpointSecret,
    WebhookEndpointTest,
    WebhookReplay,
)
from billing.api.payments import BillingPortalSession
from billing.api.proofs import InvoiceBundle, InvoiceExplanation
from billing.api.subscriptions import (
    SubscriptionAlternatives,
    SubscriptionChangePreview,
    SubscriptionChanges,
    SubscriptionDetail,
    SubscriptionList,
)
from billing.api.views import InvoiceDetail, InvoiceList, PlanList

urlpatterns = [
    path("invoices", InvoiceList.as_view(), name="invoices"),
    path("invoices/<str:number>.html", InvoiceHtml.as_view(), name="invoice-html"),
    path("invoices/<str:number>.pdf", InvoicePdf.as_view(), name="invoice-pdf"),
    path("invoices/<str:number>/explain", InvoiceExplanation.as_view(), name="invoice-explanation"),
    path("invoices/<str:number>/bundle", InvoiceBundle.as_view(), name="invoice-bundle"),
    path("invoices/<str:number>", InvoiceDetail.as_view(), name="invoice"),
    path("credit-notes", CreditNoteList.as_view(), name="credit-notes"),
    path("credit-notes/<str:number>.html", CreditNoteHtml.as_view(), name="credit-note-html"),
    path("credit-notes/<str:number>.pdf", CreditNotePdf.as_view(), name="credit-note-pdf"),
    path("credit-notes/<str:number>", CreditNoteDetail.as_view(), name="credit-note"),
    path("billing-portal-session", BillingPortalSession.as_view(), name="billing-portal-session"),
    path("dunning", DunningDetail.as_view(), name="dunning"),
    path("webhook-endpoints", WebhookEndpointList.as_view(), name="webhook-endpoints"),
    path("webhook-endpoints/<int:endpoint_id>", WebhookEndpointDetail.as_view(), name="webhook-endpoint"),
    path("webhook-endpoints/<int:endpoint_id>/secret", WebhookEndpointSecret.as_view(), name="webhook-secret"),
    path("webhook-endpoints/<int:endpoint_id>/test", WebhookEndpointTest.as_view(), name="webhook-test"),
    path("webhook-endpoints/<int:endpoint_id>/deliveries", WebhookDeliveryList.as_view(), name="webhook-deliveries"),
    path(
        "webhook-endpoints/<int:endpoint_id>/deliveries/<str:message_id>/replay",
        WebhookReplay.as_view(),
        name="webhook-replay",
    ),
    path("plans", PlanList.as_view(), name="plans"),
    path("subscriptions", SubscriptionList.as_view(), name="subscriptions"),
    path("subscriptions/<int:subscription_id>", SubscriptionDetail.as_view(), name="subscription"),
    path("subscriptions/<int:subscription_id>/alternatives", SubscriptionAlternatives.as_view(), name="alternatives"),
    path("subscriptions/<int:subscription_id>/changes", SubscriptionChanges.as_view(), name="changes"),
    path(
        "subscriptions/<int:subscription_id>/changes/preview",
        SubscriptionChangePreview.as_view(),
        name="change-preview",
    ),
]
