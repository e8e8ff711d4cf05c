"""The steps after an invoice was issued at Stripe: void, write off, refund, credit, and record its tax."""

from datetime import datetime
from functools import partial

from stripe import StripeClient

from billing.models import Invoice
from billing.models.payments import ObjectKind
from billing.money import Money, from_minor_units
from billing.stripe import content, gateway, mirror, reversals, settlement
from billing.stripe.counterparts import RemoteInvoice
from billing.stripe.errors import DifferenceError, NotThereError, RefusedError
from billing.stripe.outbox import Claim
from billing.stripe.remotes import RemoteCreditNote, RemoteRefund
from billing.stripe.stepping import Done, invoice_of, moved, only, require_fresh_key


def void_invoice(client: StripeClient, claim: Claim) -> Done:
    """Cancel the claim at Stripe; a draft, which nobody can void, is deleted."""
    invoice = invoice_of(claim.message)
    stripe_id = mirror.invoice_id_of(invoice)
    remote = _living(client, claim, stripe_id)
    if remote is None:
        return _deleted(invoice, stripe_id)
    if remote.status == "draft":
        gateway.delete_draft(client, stripe_id=stripe_id)
        return _deleted(invoice, stripe_id)
    if remote.status in {"open", "uncollectible"}:
        require_fresh_key(claim)
        remote = gateway.void_invoice(client, stripe_id=stripe_id, key=claim.message.key)
    return _reached(remote, "void")


def mark_uncollectible(client: StripeClient, claim: Claim) -> Done:
    """Write the claim off at Stripe; one that was paid meanwhile stays paid, and reconciliation tells."""
    stripe_id = mirror.invoice_id_of(invoice_of(claim.message))
    remote = gateway.retrieve_invoice(client, stripe_id=stripe_id)
    if remote.status == "open":
        require_fresh_key(claim)
        remote = gateway.mark_uncollectible(client, stripe_id=stripe_id, key=claim.message.key)
    return moved(remote)


def create_refund(client: StripeClient, claim: Claim) -> Done:
    """Give money back on a payment, once: what was lost on the way is found by our number on it."""
    told = content.decode(claim.message.request)
    remote = _made_refund(client, told) if claim.may_be_done else None
    if remote is None:
        require_fresh_key(claim)
        remote = reversals.create_refund(client, params=told, key=claim.message.key)
    _require_amount(remote.stripe_id, remote.amount, told["amount"])
    return Done(remote.summary(), partial(_keep_refund, claim, remote))


def create_credit_note(client: StripeClient, claim: Claim) -> Done:
    """Issue our credit note at Stripe, with the refunds that belong to it."""
    stripe_id = mirror.invoice_id_of(invoice_of(claim.message))
    told = content.decode(claim.message.request)
    remote = _made_note(client, stripe_id, told) if claim.may_be_done else None
    if remote is None:
        require_fresh_key(claim)
        params = {**told, "invoice": stripe_id, "refunds": [_linked(one) for one in told["refunds"]]}
        remote = reversals.create_credit_note(client, params=params, key=claim.message.key)
    _require_amount(remote.stripe_id, remote.amount, told["amount"])
    mirror.require_mode(livemode=remote.livemode, what=remote.stripe_id)
    return Done(remote.summary(), partial(_keep_note, claim, remote))


def void_credit_note(client: StripeClient, claim: Claim) -> Done:
    """Void our credit note at Stripe."""
    stripe_id = mirror.object_id_of(kind=ObjectKind.CREDIT_NOTE, reference=claim.message.subject)
    remote = reversals.retrieve_credit_note(client, stripe_id=stripe_id)
    if remote.status != "void":
        require_fresh_key(claim)
        remote = reversals.void_credit_note(client, stripe_id=stripe_id, key=claim.message.key)
    return Done(remote.summary(), partial(settlement.move_object, remote.stripe_id, remote.status))


def record_tax(client: StripeClient, claim: Claim) -> Done:
    """Record the tax of an issued invoice for Stripe's reports.

    A refusal of our number because it is taken proves that an earlier attempt was carried out (stripe.md F 28): no
    other transaction of this installation's account may have it.
    """
    invoice = invoice_of(claim.message)
    told = content.decode(claim.message.request)
    try:
        stripe_id = reversals.record_tax(client, params=told, key=claim.message.key)
    except RefusedError as error:
        if not (claim.may_be_done and error.param == "reference"):
            raise
        stripe_id = f"reference:{told['reference']}"
    return Done({"id": stripe_id}, partial(_keep_tax, invoice, claim.message.subject, stripe_id))


def _living(client: StripeClient, claim: Claim, stripe_id: str) -> RemoteInvoice | None:
    """Read an invoice; None for one that an earlier attempt deleted."""
    try:
        return gateway.retrieve_invoice(client, stripe_id=stripe_id)
    except NotThereError:
        if claim.may_be_done:
            return None
        raise


def _deleted(invoice: Invoice, stripe_id: str) -> Done:
    return Done({"id": stripe_id, "status": "deleted"}, partial(_forget, invoice.pk))


def _forget(invoice_id: int, now: datetime) -> None:
    mirror.delete_invoice(invoice_id=invoice_id, now=now)


def _reached(remote: RemoteInvoice, status: str) -> Done:
    if remote.status != status:
        raise DifferenceError(f"{remote.stripe_id} is {remote.status} at Stripe; it cannot become {status}.")
    return moved(remote)


def _made_refund(client: StripeClient, told: content.Content) -> RemoteRefund | None:
    names = told["metadata"]
    found = reversals.list_refunds(client, payment_id=told["payment_intent"])
    return only([one for one in found if names.items() <= one.metadata.items()], f"refund {names[content.REFUND]}")


def _made_note(client: StripeClient, invoice: str, told: content.Content) -> RemoteCreditNote | None:
    names = told["metadata"]
    found = reversals.list_credit_notes(client, invoice=invoice)
    matching = [one for one in found if names.items() <= one.metadata.items()]
    return only(matching, f"credit note {names[content.CREDIT_NOTE]}")


def _linked(told: content.Content) -> content.Content:
    stripe_id = mirror.object_id_of(kind=ObjectKind.REFUND, reference=told["reference"])
    return {"amount_refunded": told["amount"], "refund": stripe_id, "type": "refund"}


def _keep_refund(claim: Claim, remote: RemoteRefund, now: datetime) -> None:
    _keep(ObjectKind.REFUND, claim, remote, now)
    settlement.move_refund(remote=remote, reference=claim.message.subject, now=now)


def _keep_note(claim: Claim, remote: RemoteCreditNote, now: datetime) -> None:
    _keep(ObjectKind.CREDIT_NOTE, claim, remote, now)


def _keep(kind: ObjectKind, claim: Claim, remote: RemoteRefund | RemoteCreditNote, now: datetime) -> None:
    mirror.keep_object(
        kind=kind,
        reference=claim.message.subject,
        invoice=invoice_of(claim.message),
        stripe_id=remote.stripe_id,
        amount=from_minor_units(remote.amount, remote.currency),
        status=remote.status,
        now=now,
    )


def _keep_tax(invoice: Invoice, reference: str, stripe_id: str, now: datetime) -> None:
    mirror.keep_object(
        kind=ObjectKind.TAX_TRANSACTION,
        reference=reference,
        invoice=invoice,
        stripe_id=stripe_id,
        amount=Money(invoice.tax, invoice.currency),
        status="recorded",
        now=now,
    )


def _require_amount(what: str, theirs: int, ours: int) -> None:
    if theirs != ours:
        raise DifferenceError(f"{what} is over {theirs} smallest units at Stripe, over {ours} here.")
