"""The pages on which a credit note is written, and issued once it was seen what it changes."""

from datetime import UTC, datetime

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from billing import claims, credit_notes, note_previews
from billing.admin.crediting.forms import AllocationForm, LoweringForm
from billing.admin.pricing.pages import context, require
from billing.errors import BillingError
from billing.models import CreditNote, Invoice
from billing.models.credit_notes import CreditNoteStatus
from billing.note_previews import Effect


def lower(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask what an invoice is to be lowered by and why, and write the draft."""
    require(request, "billing.add_creditnote")
    invoice = get_object_or_404(Invoice.objects.select_related("customer"), pk=pk)
    form = LoweringForm(request.POST or None, invoice=invoice)
    if request.method == "POST" and form.is_valid():
        try:
            cause = form.cause(request.user.get_username())
            note = credit_notes.draft(invoice=invoice, lines=form.lines, cause=cause, now=datetime.now(UTC))
        except BillingError as error:
            messages.error(request, str(error))
        else:
            return redirect("admin:billing_creditnote_issue", note.pk)
    page = context(request, f"Credit invoice {invoice.number}")
    page |= {"invoice": invoice, "form": form, "owed": claims.outstanding(invoice=invoice)}
    return render(request, "admin/crediting/lower.html", page)


def issue(request: HttpRequest, pk: int) -> HttpResponse:
    """Show what a draft would change, and issue it where that is asked for."""
    require(request, "billing.change_creditnote")
    note = get_object_or_404(CreditNote.objects.select_related("invoice__customer"), pk=pk)
    if note.status != CreditNoteStatus.DRAFT:
        return redirect("admin:billing_creditnote_change", note.pk)
    form = AllocationForm(request.POST or None)
    effect = None
    if not form.is_bound or form.is_valid():
        effect = _try(request, note, form)
    if request.method == "POST" and effect is not None and request.POST.get("action") == "issue":
        issued = credit_notes.issue(
            note=note,
            actor=request.user.get_username(),
            now=datetime.now(UTC),
            allocation=form.allocation(credit_notes.excess(note=note)),
        )
        messages.success(request, f"Issued as {issued.number}.")
        return redirect("admin:billing_creditnote_change", note.pk)
    page = context(request, f"Credit note over {note.total.normalize():f} {note.currency}")
    lines = note.lines.select_related("line").order_by("position")
    page |= {"note": note, "form": form, "effect": effect, "lines": lines}
    return render(request, "admin/crediting/issue.html", page)


def _try(request: HttpRequest, note: CreditNote, form: AllocationForm) -> Effect | None:
    """Return what the note would change; None where it cannot be issued so, and then the page says why."""
    try:
        return note_previews.preview(
            note=note,
            actor=request.user.get_username(),
            now=datetime.now(UTC),
            allocation=form.allocation(credit_notes.excess(note=note)) if form.is_bound else None,
        )
    except BillingError as error:
        messages.error(request, str(error))
        return None
