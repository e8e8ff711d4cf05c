"""The blank forms of what moves money or takes it back: charges, refunds, credit notes, disputes, balances, taxes."""

from billing.stripe.sandbox.objects import Body

CHARGE: Body = {
    "amount_captured": 0,
    "amount_refunded": 0,
    "application": None,
    "application_fee": None,
    "application_fee_amount": None,
    "balance_transaction": None,
    "calculated_statement_descriptor": None,
    "captured": False,
    "disputed": False,
    "failure_balance_transaction": None,
    "failure_code": None,
    "failure_message": None,
    "fraud_details": {},
    "metadata": {},
    "on_behalf_of": None,
    "paid": False,
    "receipt_email": None,
    "receipt_number": None,
    "receipt_url": None,
    "refunded": False,
    "review": None,
    "shipping": None,
    "source": None,
    "source_transfer": None,
    "statement_descriptor": None,
    "statement_descriptor_suffix": None,
    "transfer": None,
    "transfer_data": None,
    "transfer_group": None,
}

REFUND: Body = {
    "balance_transaction": None,
    "failure_balance_transaction": None,
    "metadata": {},
    "pending_reason": None,
    "reason": None,
    "receipt_number": None,
    "source_transfer_reversal": None,
    "status": "succeeded",
    "transfer_reversal": None,
}

CREDIT_NOTE: Body = {
    "amount_shipping": 0,
    "customer_account": None,
    "customer_balance_transaction": None,
    "discount_amount": 0,
    "discount_amounts": [],
    "memo": None,
    "metadata": {},
    "out_of_band_amount": None,
    "pretax_credit_amounts": [],
    "reason": None,
    "refunds": [],
    "shipping_cost": None,
    "status": "issued",
    "voided_at": None,
}

CREDIT_NOTE_LINE: Body = {
    "description": None,
    "discount_amount": 0,
    "discount_amounts": [],
    "invoice_line_item": None,
    "metadata": {},
    "pretax_credit_amounts": [],
    "quantity": None,
    "tax_rates": [],
    "taxes": [],
    "unit_amount": None,
    "unit_amount_decimal": None,
}

DISPUTE: Body = {
    "balance_transactions": [],
    "enhanced_eligibility_types": [],
    "evidence": {
        "access_activity_log": None,
        "billing_address": None,
        "cancellation_policy": None,
        "cancellation_policy_disclosure": None,
        "cancellation_rebuttal": None,
        "customer_communication": None,
        "customer_email_address": None,
        "customer_name": None,
        "customer_purchase_ip": None,
        "customer_signature": None,
        "duplicate_charge_documentation": None,
        "duplicate_charge_explanation": None,
        "duplicate_charge_id": None,
        "enhanced_evidence": {},
        "product_description": None,
        "receipt": None,
        "refund_policy": None,
        "refund_policy_disclosure": None,
        "refund_refusal_explanation": None,
        "service_date": None,
        "service_documentation": None,
        "shipping_address": None,
        "shipping_carrier": None,
        "shipping_date": None,
        "shipping_documentation": None,
        "shipping_tracking_number": None,
        "uncategorized_file": None,
        "uncategorized_text": None,
    },
    "evidence_details": {
        "due_by": None,
        "enhanced_eligibility": {},
        "has_evidence": False,
        "past_due": False,
        "submission_count": 0,
        "submission_method": "not_submitted",
    },
    "is_charge_refundable": False,
    "metadata": {},
    "status": "needs_response",
}

BALANCE_MOVEMENT: Body = {
    "checkout_session": None,
    "customer_account": None,
    "description": None,
    "metadata": {},
}

CASH_MOVEMENT: Body = {"customer_account": None}

INVOICE_ITEM: Body = {
    "customer_account": None,
    "discounts": [],
    "invoice": None,
    "parent": None,
    "proration": False,
    "proration_details": None,
    "tax_rates": [],
    "test_clock": None,
}

TAX_RATE: Body = {
    "active": True,
    "country": None,
    "description": None,
    "flat_amount": None,
    "inclusive": False,
    "jurisdiction": None,
    "jurisdiction_level": "country",
    "metadata": {},
    "rate_type": "percentage",
    "state": None,
    "tax_type": None,
}

TAX_CALCULATION: Body = {"ship_from_details": None, "shipping_cost": None}

TAX_TRANSACTION: Body = {
    "reversal": None,
    "ship_from_details": None,
    "shipping_cost": None,
    "type": "transaction",
}

TAX_LINE: Body = {"performance_location": None}

TAX_TRANSACTION_LINE: Body = {"reversal": None, "type": "transaction"}
