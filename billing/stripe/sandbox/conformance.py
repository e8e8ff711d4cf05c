"""Holds every answer against the SDK's annotations of Stripe's objects, so that the sandbox cannot drift unseen.

The annotations are generated from Stripe's specification of the API version that we pin: a member that is not Optional
is always there, one that names another object or a word of an enum is there even where it is null, and no other is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, Final, get_args

import stripe
from stripe import billing_portal, tax

from billing.stripe.sandbox.errors import NonconformingAnswerError
from billing.stripe.sandbox.objects import Body

_RESOURCES: Final[Mapping[str, type]] = MappingProxyType(
    {
        "billing_portal.session": billing_portal.Session,
        "cash_balance": stripe.CashBalance,
        "charge": stripe.Charge,
        "credit_note": stripe.CreditNote,
        "credit_note_line_item": stripe.CreditNoteLineItem,
        "customer": stripe.Customer,
        "customer_balance_transaction": stripe.CustomerBalanceTransaction,
        "customer_cash_balance_transaction": stripe.CustomerCashBalanceTransaction,
        "dispute": stripe.Dispute,
        "event": stripe.Event,
        "funding_instructions": stripe.FundingInstructions,
        "invoice": stripe.Invoice,
        "invoice_payment": stripe.InvoicePayment,
        "invoiceitem": stripe.InvoiceItem,
        "line_item": stripe.InvoiceLineItem,
        "payment_intent": stripe.PaymentIntent,
        "payment_method": stripe.PaymentMethod,
        "refund": stripe.Refund,
        "tax.calculation": tax.Calculation,
        "tax.calculation_line_item": tax.CalculationLineItem,
        "tax.transaction": tax.Transaction,
        "tax.transaction_line_item": tax.TransactionLineItem,
        "tax_rate": stripe.TaxRate,
    }
)


@dataclass(frozen=True, slots=True)
class _Promise:
    """What the SDK says of a class: members never null, members never absent, members known, inner classes."""

    firm: frozenset[str]
    present: frozenset[str]
    known: frozenset[str]
    inner: Mapping[str, type]


def require(*, body: Body) -> None:
    """Raises NonconformingAnswerError, naming the member, where Stripe would not answer so."""
    if body.get("object") == "list":
        for member in body["data"]:
            require(body=member)
        return
    if body.get("deleted"):
        return
    _require(body, _RESOURCES[body["object"]], str(body["object"]))


def _require(body: Body, resource: type, path: str) -> None:
    promise = _promise(resource)
    for name in promise.firm:
        if body.get(name) is None:
            raise NonconformingAnswerError(f"{path}.{name} is missing or null")
    for found in ((promise.firm | promise.present) - body.keys(), body.keys() - promise.known):
        if found:
            raise NonconformingAnswerError(f"{path} lacks, or has and should not: {', '.join(sorted(found))}")
    for name, value in body.items():
        _require_member(value, promise.inner.get(name), f"{path}.{name}")


def _require_member(value: Any, inner: type | None, path: str) -> None:  # noqa: ANN401 - any JSON
    for part in value if isinstance(value, list) else [value]:
        if not isinstance(part, dict) or not part:
            continue
        if inner is not None:
            _require(part, inner, path)
        elif part.get("object") == "list" or part.get("object") in _RESOURCES:
            require(body=part)


@cache
def _promise(resource: type) -> _Promise:
    hints = {name: hint for name, hint in resource.__annotations__.items() if "ClassVar" not in str(hint)}
    may_be_null = {name for name, hint in hints.items() if type(None) in get_args(hint)}
    # Ids of other objects, and enums, are unions of more than the type and None: they are sent as null.
    present = {name for name in may_be_null if len(get_args(hints[name])) > 2}  # noqa: PLR2004 - Optional has two
    return _Promise(
        firm=frozenset(set(hints) - may_be_null),
        present=frozenset(present),
        known=frozenset(hints),
        inner=getattr(resource, "_inner_class_types", {}),
    )
