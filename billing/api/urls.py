"""Where billing answers under /v1/."""

from django.urls import path

from billing.api.views import InvoiceDetail, InvoiceList, PlanList

urlpatterns = [
    path("invoices", InvoiceList.as_view(), name="invoices"),
    path("invoices/<str:number>", InvoiceDetail.as_view(), name="invoice"),
    path("plans", PlanList.as_view(), name="plans"),
]
