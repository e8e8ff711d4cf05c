"""The blank form of each object: every field that Stripe answers with, at its value before anything happened."""

from copy import deepcopy
from typing import Any

from billing.stripe.sandbox import money_shapes
from billing.stripe.sandbox.objects import Body, new_id

_CUSTOMER: Body = {
    "address": None,
    "balance": 0,
    "business_name": None,
    "currency": None,
    "default_source": None,
    "delinquent": False,
    "description": None,
    "discount": None,
    "email": None,
    "individual_name": None,
    "invoice_prefix": None,
    "invoice_settings": {
        "custom_fields": None,
        "default_payment_method": None,
        "footer": None,
        "rendering_options": None,
    },
    "metadata": {},
    "name": None,
    "next_invoice_sequence": 1,
    "phone": None,
    "preferred_locales": [],
    "shipping": None,
    "tax_exempt": "none",
    "test_clock": None,
}

_INVOICE: Body = {
    "account_country": "US",
    "account_name": "Agentmeter sandbox",
    "account_tax_ids": None,
    "amount_due": 0,
    "amount_overpaid": 0,
    "amount_paid": 0,
    "amount_paid_off_stripe": 0,
    "amount_remaining": 0,
    "amount_shipping": 0,
    "application": None,
    "attempt_count": 0,
    "attempted": False,
    "auto_advance": False,
    "automatic_tax": {
        "disabled_reason": None,
        "enabled": False,
        "liability": None,
        "provider": None,
        "status": None,
    },
    "automatically_finalizes_at": None,
    "billing_reason": "manual",
    "collection_method": "charge_automatically",
    "custom_fields": None,
    "customer_account": None,
    "customer_address": None,
    "customer_email": None,
    "customer_name": None,
    "customer_phone": None,
    "customer_shipping": None,
    "customer_tax_exempt": "none",
    "customer_tax_ids": [],
    "default_payment_method": None,
    "default_source": None,
    "default_tax_rates": [],
    "description": None,
    "discounts": [],
    "due_date": None,
    "effective_at": None,
    "ending_balance": None,
    "footer": None,
    "from_invoice": None,
    "issuer": {"account": None, "type": "self"},
    "last_finalization_error": None,
    "latest_revision": None,
    "metadata": {},
    "next_payment_attempt": None,
    "number": None,
    "on_behalf_of": None,
    "parent": None,
    "payment_settings": {"default_mandate": None, "payment_method_options": None, "payment_method_types": None},
    "post_payment_credit_notes_amount": 0,
    "pre_payment_credit_notes_amount": 0,
    "receipt_number": None,
    "rendering": None,
    "shipping_cost": None,
    "shipping_details": None,
    "starting_balance": 0,
    "statement_descriptor": None,
    "status": "draft",
    "status_details": None,
    "status_transitions": {
        "finalized_at": None,
        "marked_uncollectible_at": None,
        "paid_at": None,
        "voided_at": None,
    },
    "subtotal": 0,
    "subtotal_excluding_tax": 0,
    "test_clock": None,
    "threshold_reason": None,
    "total": 0,
    "total_discount_amounts": [],
    "total_excluding_tax": 0,
    "total_pretax_credit_amounts": [],
    "total_taxes": [],
    "webhooks_delivered_at": None,
}

_LINE: Body = {
    "description": None,
    "discount_amounts": [],
    "discountable": True,
    "discounts": [],
    "metadata": {},
    "pretax_credit_amounts": [],
    "pricing": None,
    "quantity": 1,
    "quantity_decimal": "1",
    "subscription": None,
    "taxes": [],
}

_PAYMENT_INTENT: Body = {
    "amount_capturable": 0,
    "amount_received": 0,
    "application": None,
    "application_fee_amount": None,
    "automatic_payment_methods": None,
    "canceled_at": None,
    "cancellation_reason": None,
    "capture_method": "automatic",
    "client_secret": None,
    "confirmation_method": "automatic",
    "customer_account": None,
    "description": None,
    "last_payment_error": None,
    "latest_charge": None,
    "metadata": {},
    "next_action": None,
    "on_behalf_of": None,
    "payment_method": None,
    "payment_method_options": None,
    "payment_method_types": ["card"],
    "payment_record": None,
    "processing": None,
    "receipt_email": None,
    "review": None,
    "setup_future_usage": None,
    "shipping": None,
    "source": None,
    "statement_descriptor": None,
    "statement_descriptor_suffix": None,
    "status": "requires_payment_method",
    "transfer_data": None,
    "transfer_group": None,
}

_INVOICE_PAYMENT: Body = {
    "amount_paid": None,
    "is_default": True,
    "status": "open",
    "status_transitions": {"canceled_at": None, "paid_at": None},
}

_PAYMENT_METHOD: Body = {
    "allow_redisplay": "unspecified",
    "billing_details": {
        "address": {"city": None, "country": None, "line1": None, "line2": None, "postal_code": None, "state": None},
        "email": None,
        "name": None,
        "phone": None,
        "tax_id": None,
    },
    "customer": None,
    "customer_account": None,
    "metadata": {},
    "type": "card",
}

_PORTAL_SESSION: Body = {
    "customer_account": None,
    "flow": None,
    "locale": None,
    "on_behalf_of": None,
    "return_url": None,
}

_SHAPES: dict[str, tuple[str, Body]] = {
    "customer": ("cus", _CUSTOMER),
    "invoice": ("in", _INVOICE),
    "line_item": ("il", _LINE),
    "payment_intent": ("pi", _PAYMENT_INTENT),
    "invoice_payment": ("inpay", _INVOICE_PAYMENT),
    "payment_method": ("pm", _PAYMENT_METHOD),
    "billing_portal.session": ("bps", _PORTAL_SESSION),
    "charge": ("ch", money_shapes.CHARGE),
    "refund": ("re", money_shapes.REFUND),
    "credit_note": ("cn", money_shapes.CREDIT_NOTE),
    "credit_note_line_item": ("cnli", money_shapes.CREDIT_NOTE_LINE),
    "dispute": ("dp", money_shapes.DISPUTE),
    "customer_balance_transaction": ("cbtxn", money_shapes.BALANCE_MOVEMENT),
    "customer_cash_balance_transaction": ("ccsbtxn", money_shapes.CASH_MOVEMENT),
    "invoiceitem": ("ii", money_shapes.INVOICE_ITEM),
    "tax_rate": ("txr", money_shapes.TAX_RATE),
    "tax.calculation": ("taxcalc", money_shapes.TAX_CALCULATION),
    "tax.calculation_line_item": ("tax_li", money_shapes.TAX_LINE),
    "tax.transaction": ("tax", money_shapes.TAX_TRANSACTION),
    "tax.transaction_line_item": ("tax_li", money_shapes.TAX_TRANSACTION_LINE),
}

# Objects on which Stripe shows no moment of creation; refunds tell no mode either.
_UNDATED = frozenset(
    {
        "credit_note_line_item",
        "invoiceitem",
        "line_item",
        "tax.calculation",
        "tax.calculation_line_item",
        "tax.transaction_line_item",
    }
)
_MODELESS = frozenset({"refund"})


def new(*, kind: str, created: int, **fields: Any) -> Body:  # noqa: ANN401 - the fields of a JSON object
    """A new object of that kind with its own id; `created` is in Unix seconds."""
    prefix, blank = _SHAPES[kind]
    identity: Body = {"id": new_id(prefix=prefix), "object": kind}
    if kind not in _MODELESS:
        identity["livemode"] = False
    if kind not in _UNDATED:
        identity["created"] = created
    return {**identity, **deepcopy(blank), **fields}
