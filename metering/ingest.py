"""The write door: takes events in, each exactly once, and answers every one of them."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from django.db import OperationalError, connection, transaction
from msgspec import Struct
from psycopg.errors import DeadlockDetected

from metering import claims, origins, partitions, refusals, rulebook, storing
from metering.claims import Claim, Claimed, Holdings
from metering.event import EventVerdict, Malformed, Problem, Reason, UsageEvent, Verdict
from metering.judging import MAX_AHEAD, Candidate, Judge
from metering.refusals import Refused
from metering.request import BatchEvidence, Request
from metering.rulebook import Rulebook
from metering.rules import Fault, pointer_to
from metering.seals import keep as seal
from metering.storing import EventRow, Stored

__all__ = ["MAX_AHEAD", "MAX_SUBMISSIONS", "BatchEvidence", "Recorded", "Request", "record", "record_all", "seal"]

# A place in a request is stored in two bytes.
MAX_SUBMISSIONS: Final = 32_768

_VERDICTS: Final = tuple(verdict.value for verdict in Verdict)

Places = tuple[int, int]  # of a submission: the number of its request, and its place there


class Recorded(Struct, frozen=True):
    """What became of a request: a verdict for each submission, in their order. No batch where nothing was accepted."""

    batch_id: int | None
    received_at: datetime
    verdicts: tuple[EventVerdict, ...]

    @property
    def counts(self) -> Mapping[str, int]:
        """How many submissions got each verdict; all four are there."""
        counts = dict.fromkeys(_VERDICTS, 0)
        for one in self.verdicts:
            counts[one.verdict] += 1
        return counts


class _RulesChangedError(Exception):
    """The events were judged by rules that have changed since; all must be judged again."""


class _OthersFirstError(Exception):
    """Events were held back for the sake of others that then got no key; all must be tried again without those."""

    def __init__(self, holdings: Holdings) -> None:
        super().__init__()
        self.holdings = holdings


def record(
    *,
    customer_id: int,
    submissions: Sequence[UsageEvent | Malformed],
    received_at: datetime,
    evidence: BatchEvidence,
) -> Recorded:
    """Take in the submissions of one request in one transaction; when it returns and commits, they are durable.

    Each gets a verdict: accepted; duplicate (same customer, source and id, same content); conflict (the id was used
    for other content, or the unit was counted under another id); rejected (it cannot be counted). What is refused is
    kept as evidence. Raises ValueError for more than MAX_SUBMISSIONS. On a database error nothing at all is recorded,
    and the request may be repeated.
    """
    return record_all(requests=[Request(customer_id, submissions, received_at, evidence)])[0]


def record_all(*, requests: Sequence[Request]) -> tuple[Recorded, ...]:
    """Take in several requests in one transaction, as if one came after the other; they share the cost of a commit.

    Raises what `record` raises, and then records none of them.
    """
    if any(len(one.submissions) > MAX_SUBMISSIONS for one in requests):
        raise ValueError(f"submissions: at most {MAX_SUBMISSIONS} at once")
    book, held = rulebook.current(), Holdings()
    while True:  # each round knows newer rules or more keys that others hold, or they are done
        try:
            with transaction.atomic():
                return _record_all(requests, book, held)
        except _RulesChangedError:
            book = rulebook.reread()
        except _OthersFirstError as error:
            held = error.holdings
        except OperationalError as error:
            # Requests that re-use each other's ids for other content may wait in a circle: one of them begins anew.
            if not isinstance(error.__cause__, DeadlockDetected) or connection.in_atomic_block:
                raise


def _record_all(requests: Sequence[Request], book: Rulebook, held: Holdings) -> tuple[Recorded, ...]:
    candidates, refused = _judge(requests, book)
    claimed = _store(requests, candidates, book, held)
    refused |= _conflicts(candidates, claimed)
    _keep(requests, refused)
    if len(claimed.met) == sum([len(request.submissions) for request in requests]):
        return tuple(_accepted(request, claimed.batch_ids.get(number)) for number, request in enumerate(requests))
    accepted = {(candidates[met].number, candidates[met].place) for met in claimed.met}
    brought = {number for number, _ in accepted}
    return tuple(
        Recorded(
            batch_id=claimed.batch_ids[number] if number in brought else None,
            received_at=request.received_at,
            verdicts=tuple(_verdicts(number, request.submissions, refused, accepted)),
        )
        for number, request in enumerate(requests)
    )


def _accepted(request: Request, batch_id: int | None) -> Recorded:
    verdicts = [EventVerdict(one.id, one.source, Verdict.ACCEPTED) for one in request.submissions]
    return Recorded(batch_id if verdicts else None, request.received_at, tuple(verdicts))


def _judge(requests: Sequence[Request], book: Rulebook) -> tuple[list[Candidate], dict[Places, Refused]]:
    candidates: list[Candidate] = []
    refused: dict[Places, Refused] = {}
    for number, request in enumerate(requests):
        judge = Judge(number, request.customer_id, request.received_at + MAX_AHEAD, book.by_type).judge
        for place, one in enumerate(request.submissions):
            judged = judge(place, one)
            if isinstance(judged, Candidate):
                candidates.append(judged)
            else:
                refused[number, place] = judged
    return candidates, refused


def _store(requests: Sequence[Request], candidates: Sequence[Candidate], book: Rulebook, held: Holdings) -> Claimed:
    """Take the keys and store the batches and the events that got theirs.

    Of claims on the same key the first that can be met wins. Raises _RulesChangedError and _OthersFirstError.
    """
    wanted = [one.claim for one in candidates]
    trying = list(claims.contenders(wanted, held))
    if not trying:
        if not rulebook.is_current(book):
            raise _RulesChangedError
        return Claimed(met=frozenset(), batch_ids={}, holdings=held)
    stored = _write(requests, [candidates[place] for place in trying])
    if stored.version != book.version:
        raise _RulesChangedError
    missed = stored.missed
    met = frozenset([place for place in trying if wanted[place].event not in missed] if missed else trying)
    holdings = held if len(met) == len(candidates) else _look_around(requests, wanted, trying, met, held)
    return Claimed(met=met, batch_ids=dict(enumerate(stored.batch_ids)), holdings=holdings)


def _look_around(
    requests: Sequence[Request], wanted: Sequence[Claim], trying: Sequence[int], met: frozenset[int], held: Holdings
) -> Holdings:
    """Return all that stands against the claims that were not met; raises _OthersFirstError where nothing does."""
    missed = [wanted[place] for place in trying if place not in met]
    taken = storing.held(customer_ids={one.customer_id for one in requests}, claims=missed) if missed else Holdings()
    others = Holdings({**held.events, **taken.events}, held.units | taken.units)
    everything = others.plus([wanted[place] for place in met])
    if not all(everything.stand_against(claim) for claim in wanted):
        raise _OthersFirstError(others)
    return everything


def _write(requests: Sequence[Request], candidates: Sequence[Candidate]) -> Stored:
    partitions.ensure(received={request.received_at for request in requests})
    numbers = origins.numbers(wanted=[one.origin for one in candidates])
    rows = [
        EventRow(one.number, one.claim, one.event.time, numbers[one.origin], one.place, one.event_id, one.data)
        for one in candidates
    ]
    return storing.store(requests=requests, events=rows)


def _conflicts(candidates: Sequence[Candidate], claimed: Claimed) -> dict[Places, Refused]:
    """Return the candidates that contradict what was counted; what merely repeats it is no conflict."""
    if len(claimed.met) == len(candidates):
        return {}
    return {
        (one.number, one.place): Refused(one.event, Verdict.CONFLICT, (_contradiction(one, claimed.holdings),))
        for number, one in enumerate(candidates)
        if number not in claimed.met and claimed.holdings.events.get(one.claim.event) != one.claim.digest
    }


def _contradiction(one: Candidate, holdings: Holdings) -> Fault:
    if one.claim.event in holdings.events:
        detail = "This source has used this id before, for an event with other content."
        return Fault(Reason.ID_REUSED, Problem("/id", detail))
    names = dict(zip(one.rules.identity, one.rules.unit(one.event), strict=True))
    unit = ", ".join(f"{name} {value}" for name, value in names.items())
    detail = f"The unit ({unit}) was counted before, under another event id."
    return Fault(Reason.UNIT_COUNTED, Problem(pointer_to(one.rules.identity[0]), detail))


def _keep(requests: Sequence[Request], refused: Mapping[Places, Refused]) -> None:
    for number, request in enumerate(requests):
        theirs = [one for (its_number, _), one in refused.items() if its_number == number]
        if theirs:
            refusals.keep(customer_id=request.customer_id, received_at=request.received_at, refused=theirs)


def _verdicts(
    number: int,
    submissions: Sequence[UsageEvent | Malformed],
    refused: Mapping[Places, Refused],
    accepted: set[Places],
) -> Iterator[EventVerdict]:
    for place, one in enumerate(submissions):
        if (against := refused.get((number, place))) is not None:
            problems = tuple(fault.problem for fault in against.faults)
            yield EventVerdict(one.id, one.source, against.verdict, problems)
        else:
            known = Verdict.ACCEPTED if (number, place) in accepted else Verdict.DUPLICATE
            yield EventVerdict(one.id, one.source, known)
