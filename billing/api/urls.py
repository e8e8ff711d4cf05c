"""Where billing answers under /v1/."""

from django.urls import path

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
    path("invoices/<str:number>", InvoiceDetail.as_view(), name="invoice"),
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
