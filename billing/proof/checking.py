"""Checking: everything that a bundle says, worked out again from its events, and compared with its invoice."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import IO, Any

from billing.errors import BillingError
from billing.proof import comparison, layout, plans, terms
from billing.proof.chains import Chains
from billing.proof.counting import Tally, by_type
from billing.proof.errors import BundleError
from billing.proof.layout import Bundle
from billing.proof.meters import Meter
from billing.proof.report import Report
from billing.proof.terms import Basis
from billing.rating import statement
from billing.rating.usage import Usage


def prove(file: IO[bytes]) -> Report:
    """Check a bundle and report everything that is wrong with it; what cannot be read is wrong, too."""
    report = Report()
    try:
        with layout.opened(file) as bundle:
            _prove(bundle, report)
    except (BundleError, BillingError) as error:
        report.find("bundle", "contents", str(error))
    except Exception as error:  # noqa: BLE001 - whatever somebody wrote into a bundle, the answer is that it proves nothing
        report.find("bundle", "contents", f"cannot be checked: {type(error).__name__}: {error}")
    return report


def _prove(bundle: Bundle, report: Report) -> None:
    manifest = layout.check(bundle, report)
    invoice = _invoice(bundle, manifest, report)
    meters = {key: Meter.of(one) for key, one in bundle.json(layout.METERS).items()}
    parts = terms.read(bundle.json(layout.TERMS))
    for basis in parts:
        plans.check(basis, bundle.json(layout.PLANS), meters, report)
    usage = _count(bundle, parts, meters, report)
    rated = [statement.rate(terms.terms(basis, meters, usage)) for basis in parts]
    comparison.compare(invoice, list(zip(parts, rated, strict=True)), report)
    for basis in parts:
        _remark(basis, report)


def _invoice(bundle: Bundle, manifest: Mapping[str, Any], report: Report) -> dict[str, Any]:
    raw = bundle.read(layout.INVOICE)
    invoice: dict[str, Any] = bundle.json(layout.INVOICE)
    digest = hashlib.sha256(raw).hexdigest()
    if manifest.get("digest") != digest:
        report.find("invoice", str(invoice.get("number")), f"its digest is {digest}, not {manifest.get('digest')}")
    if manifest.get("invoice") != invoice.get("number"):
        report.find("invoice", str(invoice.get("number")), f"the bundle is of {manifest.get('invoice')}")
    report.facts |= {"invoice": invoice.get("number"), "digest": digest, "customer": invoice.get("customer")}
    return invoice


def _count(bundle: Bundle, parts: Sequence[Basis], meters: Mapping[str, Meter], report: Report) -> dict[int, Usage]:
    """Return what the events come to for each agreed card, and check where they come from."""
    asked = [(agreed, Tally(measure)) for basis in parts for agreed, measure in terms.measures(basis, meters)]
    tallies = by_type([tally for _, tally in asked])
    chains, number = Chains(report), 0
    chains.read(bundle.lines(layout.BATCHES))
    for event, time, batch in chains.events(bundle.lines(layout.EVENTS)):
        number += 1
        for tally in tallies.get(event["type"], ()):
            tally.take(event, time, batch.fold)
    signed = sum(batch.signed is not None for batch in chains.batches.values())
    report.facts |= {"events": number, "batches": len(chains.batches), "signed batches": signed}
    report.facts["device"] = chains.keys
    if chains.unproved:
        report.remarks.append(f"{chains.unproved} signed batches are without a seal: their chain cannot be checked")
    if chains.moved:
        report.remarks.append(f"{chains.moved} events were placed in time by the service's clock, not the device's")
    return {id(agreed): tally.usage() for agreed, tally in asked}


def _remark(basis: Basis, report: Report) -> None:
    stated = {
        "discounts and credits": len(basis.discounts) + len(basis.promotions),
        "lines for time that was paid in advance": len(basis.given_back),
        "lines for late usage": len(basis.late),
        "tax rates": len(basis.tax.rates) if basis.tax else 0,
        "lines of tax from elsewhere": len(basis.given),
    }
    told = ", ".join(f"{number} {name}" for name, number in stated.items() if number)
    if told:
        report.remarks.append(f"taken as stated, because no event decides them: {told}")
