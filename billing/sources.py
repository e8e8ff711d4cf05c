"""Sources: what an issued invoice was rated from, part for part; a merged one has a part for each of its drafts."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from billing import assessment, contracts, issuing, merging
from billing.assessment import Inputs, Question
from billing.dues import Due
from billing.models import Invoice
from billing.models.invoices import Moment
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
    return Question(part.period, contract, as_of=part.fold, moment=Moment(part.moment), read=read)


def _part(part: Invoice) -> Part:
    bill = issuing.bill(question=question_of(part=part))
    return Part(part, bill.question, assessment.gather(bill.question))
