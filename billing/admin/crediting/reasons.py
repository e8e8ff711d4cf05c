"""The pages that ask why a note or an invoice is voided, or an invoice written off."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from billing import credit_notes, voiding
from billing.admin.crediting.forms import ReasonForm, VoidForm
from billing.admin.pricing.pages import context, require
from billing.errors import BillingError
from billing.models import CreditNote, Invoice


@dataclass(frozen=True, slots=True)
class Question:
    """What a page asks, and what it does with the answer: `act` returns what is said afterwards."""

    title: str
    consequence: str
    button: str
    form: type[ReasonForm]
    act: Callable[[ReasonForm, str], str]
    back: str


def void_note(request: HttpRequest, pk: int) -> HttpResponse:
    """Void a credit note."""
    note = get_object_or_404(CreditNote, pk=pk)

    def act(form: ReasonForm, actor: str) -> str:
        credit_notes.void(note=note, actor=actor, reason=form.cleaned_data["reason"], now=datetime.now(UTC))
        return "The note is void."

    consequence = "What the note lowered is owed again. Its number is not used again."
    question = Question(f"Void credit note {note.number or pk}", consequence, "Void the note", ReasonForm, act, "note")
    return _ask(request, question, pk, "billing.change_creditnote")


def void_invoice(request: HttpRequest, pk: int) -> HttpResponse:
    """Void an invoice."""
    invoice = get_object_or_404(Invoice, pk=pk)

    def act(form: ReasonForm, actor: str) -> str:
        told = form.cleaned_data
        now = datetime.now(UTC)
        voiding.void(invoice=invoice, actor=actor, reason=told["reason"], now=now, is_held=told["is_held"])
        return f"Invoice {invoice.number} is void, its period is open again."

    consequence = "Its bookings are undone, the credit and coupons it used are given back, its usage is billed anew."
    question = Question(f"Void invoice {invoice.number}", consequence, "Void the invoice", VoidForm, act, "invoice")
    return _ask(request, question, pk, "billing.change_invoice")


def write_off(request: HttpRequest, pk: int) -> HttpResponse:
    """Write an invoice off."""
    invoice = get_object_or_404(Invoice, pk=pk)

    def act(form: ReasonForm, actor: str) -> str:
        reason = form.cleaned_data["reason"]
        voiding.write_off(invoice=invoice, actor=actor, reason=reason, now=datetime.now(UTC))
        return f"Invoice {invoice.number} is written off."

    consequence = "What is owed is given up in the books. Money that comes later takes that back."
    question = Question(f"Write off invoice {invoice.number}", consequence, "Write it off", ReasonForm, act, "invoice")
    return _ask(request, question, pk, "billing.change_invoice")


def _ask(request: HttpRequest, question: Question, pk: int, permission: str) -> HttpResponse:
    require(request, permission)
    back = f"admin:billing_{'creditnote' if question.back == 'note' else 'invoice'}_change"
    form = question.form(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            messages.success(request, question.act(form, request.user.get_username()))
        except BillingError as error:
            messages.error(request, str(error))
        else:
            return redirect(back, pk)
    page = context(request, question.title)
    page |= {"question": question, "form": form, "back": back, "pk": pk}
    return render(request, "admin/crediting/reason.html", page)
