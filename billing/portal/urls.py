"""Addresses of the portal, mounted under /portal/."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from billing.portal import documents, views
from billing.portal.policy import guard_page

app_name = "portal"

sign_in = LoginView.as_view(template_name="portal/login.html", redirect_authenticated_user=True)

urlpatterns = [
    path("sign-in/", guard_page(sign_in), name="login"),
    path("sign-out/", guard_page(LogoutView.as_view()), name="logout"),
    path("switch/", guard_page(views.switch), name="switch"),
    path("", guard_page(views.overview), name="overview"),
    path("usage/", guard_page(views.usage), name="usage"),
    path("usage.csv", guard_page(views.usage_csv), name="usage-csv"),
    path("plans/", guard_page(views.plans), name="plans"),
    path("invoices/", guard_page(views.invoices), name="invoices"),
    path("pay/<str:token>", guard_page(documents.pay), name="pay"),
    path("invoices/<str:number>.html", documents.invoice_html, name="invoice-html"),
    path("invoices/<str:number>.pdf", guard_page(documents.invoice_pdf), name="invoice-pdf"),
    path("credit-notes/<str:number>.pdf", guard_page(documents.credit_note_pdf), name="credit-note-pdf"),
    path("invoices/<str:number>/", guard_page(views.invoice), name="invoice"),
    path("invoices/<str:number>.csv", guard_page(views.invoice_csv), name="invoice-csv"),
]
