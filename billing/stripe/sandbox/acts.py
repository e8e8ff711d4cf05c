"""What a click on the front page does to an invoice: its customer pays, its card declines, its bank disputes."""

from billing.stripe.sandbox import cash, collection, disputes
from billing.stripe.sandbox.calls import Call
from billing.stripe.sandbox.errors import CardError
from billing.stripe.sandbox.objects import Body
from billing.stripe.sandbox.store import Filter

_GOOD_CARD, _BAD_CARD = "pm_card_visa", "pm_card_chargeCustomerFail"
_VERDICTS = {"win": "won", "lose": "lost"}


def possible(*, call: Call, invoice: Body) -> list[str]:
    """What can be done to the invoice as it is now."""
    if invoice["status"] in ("open", "uncollectible"):
        return ["pay"] if cash.is_accepted(invoice=invoice) else ["pay", "decline"]
    charge = _charge(call, invoice)
    if charge is None or charge["refunded"]:
        return []
    dispute = _dispute(call, charge)
    if dispute is None:
        return ["dispute"]
    return ["win", "lose"] if dispute["status"] in disputes.UNDECIDED else []


def trouble(call: Call, invoice: Body) -> str:
    """What went wrong with the payment, in a few words; empty where nothing did."""
    if invoice["status"] != "paid":
        tries = invoice["attempt_count"]
        return f"declined {tries} times" if tries > 1 else "declined" if tries else ""
    charge = _charge(call, invoice)
    if charge is None:
        return ""
    dispute = _dispute(call, charge)
    given_back = "refunded" if charge["refunded"] else "partly refunded" if charge["amount_refunded"] else ""
    return given_back if dispute is None else f"dispute: {dispute['status'].replace('_', ' ')}"


def perform(*, call: Call, invoice: Body, act: str) -> None:
    """Do one of what is possible. A declined card is no error here: it was asked for."""
    match act:
        case "pay" if cash.is_accepted(invoice=invoice):
            sent = {"amount": invoice["amount_remaining"], "currency": invoice["currency"]}
            cash.fund(call=call, params=sent, customer=invoice["customer"])
        case "pay":
            collection.pay(call=call, params={"payment_method": _GOOD_CARD}, invoice=invoice["id"])
        case "decline":
            _decline(call, invoice)
        case "dispute":
            disputes.open_on(call=call, charge=_charge(call, invoice) or {})
        case _:
            dispute = _dispute(call, _charge(call, invoice) or {}) or {}
            disputes.decide(call=call, dispute=dispute["id"], verdict=_VERDICTS[act])


def _decline(call: Call, invoice: Body) -> None:
    try:
        collection.pay(call=call, params={"payment_method": _BAD_CARD}, invoice=invoice["id"])
    except CardError:
        return


def _charge(call: Call, invoice: Body) -> Body | None:
    """The charge that paid the invoice, if one did."""
    for intent in call.store.select(kind="payment_intent", filters=[Filter("parent", "eq", invoice["id"])]):
        if intent["status"] == "succeeded":
            return call.fetch(kind="charge", id=intent["latest_charge"])
    return None


def _dispute(call: Call, charge: Body) -> Body | None:
    found = call.store.select(kind="dispute", filters=[Filter("parent", "eq", charge["id"])], newest_first=True)
    return found[0] if found else None
