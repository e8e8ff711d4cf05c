"""Sources: what an issued invoice was rated from, part for part; a merged one has a part for each of its drafts."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from billing import assessment, contracts, issuing, merging
from billing.assessment import Inputs, Question
from billing.dues import Due
from billing.models import Invoice, InvoiceLine
from billing.models.invoices import LineKind, Moment
from billing.proof import values
from billing.rating.terms import TaxRule
from billing.stripe import taxes as stripe_taxes
from metering import usage


@dataclass(frozen=True, slots=True)
class Part:
    """An invoice, or a draft that was merged into it, with the question that it answers and what was taken for that."""

    invoice: Invoice
    question: Question
    inputs: Inputs

    @property
    def dues(self) -> Iterator[tuple[str, Due]]:
        """The rate cards that were charged or free, each with its key."""
        yield from self.inputs.charged.items()
        yield from ((due.run.planned.card.key, due) for due in self.inputs.free)


def of(*, invoice: Invoice) -> list[Part]:
    """Return the parts of an invoice in the order of its lines, as they were rated. Raises what rating raises."""
    return [_part(one) for one in merging.parts_of(invoice=invoice)]


def question_of(*, part: Invoice, read: Callable[..., usage.Usage] = usage.read) -> Question:
    """Return what an invoice, or a draft that was merged into it, is the answer to, as it was asked then."""
    contract = contracts.load(subscription=part.period.subscription, change_id=part.change_id)
    moment = Moment(part.moment)
    return Question(part.period, contract, as_of=part.fold, moment=moment, read=read, taxed=_taxed(part))


def given(*, part: Invoice) -> list[InvoiceLine]:
    """Return the lines that nothing here works out: the tax that Stripe Tax answered about the draft (ADR 0013)."""
    answered = part.lines.filter(kind=LineKind.TAX, source__startswith=stripe_taxes.SOURCE)
    return list(answered.select_related("rate_card").order_by("position"))


def _taxed(part: Invoice) -> tuple[TaxRule | None] | None:
    """Return the tax rule that was kept with the draft; None where none was kept."""
    if part.tax_rule is None:
        return None
    rule: TaxRule | None = values.read(TaxRule | None, part.tax_rule["rule"], "tax_rule")
    return (rule,)


def _part(part: Invoice) -> Part:
    bill = issuing.bill(question=question_of(part=part))
    return Part(part, bill.question, assessment.gather(bill.question))
