"""The portal's pages: each reads the request, calls one function, and renders."""

from datetime import UTC, datetime
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_POST, require_safe

from billing import dunning
from billing.models import Invoice
from billing.portal import explorer, statements
from billing.portal.access import Access, choose_customer, for_members
from billing.portal.comparison import see_comparison
from billing.portal.forms import UsageForm
from billing.portal.overview import see_overview
from billing.portal.sheets import write_sheet

PAGE_SIZE = 24


@require_safe
@for_members
def overview(request: HttpRequest, access: Access) -> HttpResponse:
    """Show what this period costs so far."""
    now = datetime.now(UTC)
    seen = see_overview(customer=access.customer, zone=access.zone, now=now)
    standing = dunning.standing_of(customer=access.customer, now=now)
    context = {"access": access, "place": "overview", "now": now, "seen": seen, "standing": standing}
    return render(request, "portal/overview.html", context)


@require_safe
@for_members
def usage(request: HttpRequest, access: Access) -> HttpResponse:
    """Show usage over time: the whole page, or for htmx its changing part only."""
    now = datetime.now(UTC)
    form = _usage_form(request, access, now)
    context: dict[str, Any] = {"access": access, "place": "usage", "form": form}
    if form.is_valid():
        context["exploration"] = explorer.explore(
            customer=access.customer, question=form.question(), zone=access.zone, now=now
        )
    context["is_part"] = "HX-Request" in request.headers
    template = "portal/_explorer.html" if context["is_part"] else "portal/usage.html"
    response = render(request, template, context, status=200 if form.is_valid() else 400)
    patch_vary_headers(response, ["HX-Request"])
    return response


@require_safe
@for_members
def usage_csv(request: HttpRequest, access: Access) -> HttpResponse:
    """Download the exact quantities behind a usage chart."""
    now = datetime.now(UTC)
    form = _usage_form(request, access, now)
    if not form.is_valid():
        problems = [f"{name}: {error}" for name, errors in form.errors.items() for error in errors]
        return HttpResponse("\n".join(problems) + "\n", content_type="text/plain; charset=utf-8", status=400)
    question = form.question()
    head, rows = explorer.sheet_of(customer=access.customer, question=question, zone=access.zone, now=now)
    name = f"{access.customer.key}-{question.meter.key}-{question.first}-{question.last}.csv"
    return write_sheet(name=name, head=head, rows=rows)


@require_safe
@for_members
def invoices(request: HttpRequest, access: Access) -> HttpResponse:
    """List the issued invoices, a page at a time."""
    now = datetime.now(UTC)
    found = Paginator(statements.issued_invoices(customer=access.customer), PAGE_SIZE)
    page = found.get_page(request.GET.get("page"))
    rows = [statements.row_of(invoice=each, zone=access.zone, now=now) for each in page]
    standing = dunning.standing_of(customer=access.customer, now=now)
    context = {"access": access, "place": "invoices", "page": page, "rows": rows, "standing": standing}
    return render(request, "portal/invoices.html", context)


@require_safe
@for_members
def invoice(request: HttpRequest, access: Access, number: str) -> HttpResponse:
    """Show one invoice with its lines and how they were computed."""
    found = _invoice_or_404(access, number)
    statement = statements.statement_of(invoice=found, zone=access.zone, now=datetime.now(UTC))
    return render(request, "portal/invoice.html", {"access": access, "place": "invoices", "invoice": statement})


@require_safe
@for_members
def invoice_csv(request: HttpRequest, access: Access, number: str) -> HttpResponse:  # noqa: ARG001 - every view has it
    """Download the lines of one invoice."""
    found = _invoice_or_404(access, number)
    head, rows = statements.sheet_of(invoice=found)
    return write_sheet(name=f"{number}.csv", head=head, rows=rows)


@require_safe
@for_members
def plans(request: HttpRequest, access: Access) -> HttpResponse:
    """Show what the usage of the last periods would have cost on each plan on offer."""
    compared = see_comparison(customer=access.customer, zone=access.zone, now=datetime.now(UTC))
    return render(request, "portal/plans.html", {"access": access, "place": "plans", "compared": compared})


@require_POST
@for_members
def switch(request: HttpRequest, access: Access) -> HttpResponse:
    """Look at another of the person's customers from now on."""
    key = request.POST.get("customer", "")
    if not choose_customer(access=access, session=request.session, key=key):
        messages.error(request, "You are not a member of that customer.")
    return redirect("portal:overview")


def _usage_form(request: HttpRequest, access: Access, now: datetime) -> UsageForm:
    meters = explorer.offered_meters(customer=access.customer)
    first, last = explorer.default_days(customer=access.customer, zone=access.zone, now=now)
    defaults = {
        "meter": meters[0].key if meters else "",
        "window": "day",
        "first": first.isoformat(),
        "last": last.isoformat(),
    }
    return UsageForm(request.GET.dict(), defaults=defaults, meters=meters, today=now.astimezone(access.zone).date())


def _invoice_or_404(access: Access, number: str) -> Invoice:
    found = statements.find_invoice(customer=access.customer, number=number)
    if found is None:
        raise Http404("The customer has no such invoice.")
    return found
