"""Makes usage of traces, each exactly once.

A trace is looked at a minute after its root arrived (`arrivals`), and written when every span hangs from a root; one
that is not whole within a day goes to a person. Spans of a trace already written open it again: what it amounts to is
written again, under the same ids.
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

import structlog
from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from agents import feeds, intake
from agents.errors import UnknownReviewError
from agents.models import Span as Row
from agents.models import Trace
from agents.models.feeds import FeedSource
from agents.models.keys import Environment
from agents.models.traces import SpanKind, TraceIssue, TraceState, UnitKind
from agents.otlp import derivation, events
from agents.otlp.arrivals import MAX_AGE
from agents.otlp.derivation import Derived
from agents.otlp.spans import Span
from metering import ingest
from metering.event import EventVerdict, UsageEvent, Verdict
from metering.ingest import BatchEvidence

log = structlog.get_logger(__name__)

KEPT: Final = timedelta(days=30)  # how long the spans of a written trace stay; their events stay for ever
_PER_RUN: Final = 1_000
_PER_BATCH: Final = 1_000
_MOST_TOLD: Final = 5
_ENVIRONMENTS: Final = {Environment.LIVE: feeds.PRODUCTION, Environment.TEST: "test"}
_PER_FORGETTING: Final = 10_000


def complete_due(*, now: datetime) -> int:
    """Look at every trace whose time has come, and return how many became usage.

    Each has its own transaction. A fault with one is logged and does not keep the others waiting; it is tried again.
    """
    due = Trace.objects.filter(state=TraceState.OPEN, due_at__lte=now).order_by("due_at")
    written = 0
    for number in list(due.values_list("pk", flat=True)[:_PER_RUN]):
        try:
            written += _complete(number, now)
        except Exception:  # whatever is wrong with one trace must not hold up the others
            log.exception("trace", trace=number)
    return written


@transaction.atomic
def accept(*, trace: Trace, actor: str, reason: str, now: datetime) -> bool:
    """Write a trace that waits for a person as it is; a span whose parent never came counts as a root.

    What was counted before stands where the trace says otherwise now. False where metering still rejects some of it:
    then it waits on. Raises UnknownReviewError where it does not wait, and ValueError without an actor or a reason.
    """
    row = _take_review(trace, actor, reason, now)
    rows = list(Row.objects.filter(trace=row))
    rejected = [one for one in _write(row, _derive(row, rows), now) if one.verdict is Verdict.REJECTED]
    if rejected:
        _ask(row, TraceIssue.REFUSED, _told(rejected), now)
    else:
        row.state, row.completed_at = TraceState.DONE, now
    row.save()
    return not rejected


@transaction.atomic
def dismiss(*, trace: Trace, actor: str, reason: str, now: datetime) -> None:
    """Close a trace that waits for a person without writing it. Raises as `accept` does."""
    row = _take_review(trace, actor, reason, now)
    row.state = TraceState.DISMISSED
    row.save()


def forget(*, now: datetime) -> int:
    """Delete traces that became usage long ago, and those of no usage after a day; return how many.

    Sent again, they give the same events again, which metering knows.
    """
    billed = Exists(Row.objects.filter(trace=OuterRef("pk")).exclude(written_as=""))
    is_old = Q(completed_at__lte=now - KEPT) | (Q(completed_at__lte=now - MAX_AGE) & ~billed)
    old = Trace.objects.filter(is_old, state=TraceState.DONE).order_by("completed_at")
    numbers = list(old.values_list("pk", flat=True)[:_PER_FORGETTING])
    return Trace.objects.filter(pk__in=numbers).delete()[1].get(Trace._meta.label, 0)


@transaction.atomic
def _complete(number: int, now: datetime) -> bool:
    """Look at one trace, unless another process does; return whether it became usage."""
    waiting = Trace.objects.select_for_update(skip_locked=True)
    trace = waiting.filter(pk=number, state=TraceState.OPEN, due_at__lte=now).first()
    if trace is None:
        return False
    rows = list(Row.objects.filter(trace=trace))
    derived = _derive(trace, rows)
    if derived.is_whole:
        _finish(trace, rows, derived, now)
    else:
        _wait_or_ask(trace, rows, now)
    trace.save()
    return trace.state == TraceState.DONE


def _derive(trace: Trace, rows: Iterable[Row]) -> Derived:
    return derivation.derive(
        spans=[
            Span(
                trace_id=trace.trace_id,
                span_id=row.span_id,
                parent_id=row.parent_id,
                kind=SpanKind(row.kind),
                failed=row.failed,
                started_at=row.started_at,
                ended_at=row.ended_at,
                scope=row.scope,
                facts=row.facts,
            )
            for row in rows
        ]
    )


def _finish(trace: Trace, rows: Iterable[Row], derived: Derived, now: datetime) -> None:
    """Write a whole trace; where that does not agree with what was written or is refused, a person must look."""
    kinds = {unit.span.span_id: unit.kind for unit in derived.units}
    changed = [row.span_id for row in rows if row.written_as not in {"", kinds.get(row.span_id)}]
    verdicts = _write(trace, derived, now)
    rejected = [one for one in verdicts if one.verdict is Verdict.REJECTED]
    conflicting = [one for one in verdicts if one.verdict is Verdict.CONFLICT]
    trace.state, trace.completed_at = TraceState.DONE, now
    if rejected:
        _ask(trace, TraceIssue.REFUSED, _told(rejected), now)
    elif conflicting or changed:
        detail = f"Spans that came late change what was counted: {len(changed)} spans are something else now. "
        _ask(trace, TraceIssue.CHANGED, detail + _told(conflicting), now)


def _write(trace: Trace, derived: Derived, now: datetime) -> list[EventVerdict]:
    """Hand a trace's events to metering, each of which counts once however often this is done."""
    composed = events.compose(units=derived.units, environment=_ENVIRONMENTS[Environment(trace.environment)])
    verdicts: list[EventVerdict] = []
    for first in range(0, len(composed), _PER_BATCH):
        verdicts += _record(trace, composed[first : first + _PER_BATCH], now)
    counted = {Verdict.ACCEPTED, Verdict.DUPLICATE}
    for kind in UnitKind:
        of_kind = [
            unit.span.span_id
            for unit, told in zip(derived.units, verdicts, strict=True)
            if unit.kind is kind and told.verdict in counted
        ]
        Row.objects.filter(trace=trace, span_id__in=of_kind, written_as="").update(written_as=kind)
    return verdicts


def _record(trace: Trace, composed: Sequence[UsageEvent], now: datetime) -> tuple[EventVerdict, ...]:
    submissions = feeds.assign(customer_id=trace.customer_id, submissions=composed, source=FeedSource.OTLP, now=now)
    digest = hashlib.sha256(b"".join(one.body for one in composed)).digest()
    evidence = BatchEvidence(digest=digest, api_key_id=trace.api_key_id)
    recorded = ingest.record(customer_id=trace.customer_id, submissions=submissions, received_at=now, evidence=evidence)
    intake.make_known(customer_id=trace.customer_id, submissions=composed, now=now)
    return recorded.verdicts


def _wait_or_ask(trace: Trace, rows: Sequence[Row], now: datetime) -> None:
    """Let a trace that is not whole wait until it is a day old, then ask a person."""
    if now < trace.first_received_at + MAX_AGE:
        trace.due_at = trace.first_received_at + MAX_AGE
        return
    known = {row.span_id for row in rows}
    orphans = sum(1 for row in rows if row.parent_id and row.parent_id not in known)
    hours = MAX_AGE // timedelta(hours=1)
    detail = f"Not whole after {hours} hours: {orphans} of {len(rows)} spans hang from a span that never came."
    _ask(trace, TraceIssue.INCOMPLETE, detail, now)


def _ask(trace: Trace, issue: TraceIssue, detail: str, now: datetime) -> None:
    trace.state, trace.issue, trace.issue_at, trace.detail = TraceState.REVIEW, issue, now, detail.strip()


def _told(verdicts: Iterable[EventVerdict]) -> str:
    """Return what metering said against some events, the first few of them."""
    said = (f"{one.id}: {problem.detail}" for one in verdicts for problem in one.errors)
    return " ".join(islice(said, _MOST_TOLD))


def _take_review(trace: Trace, actor: str, reason: str, now: datetime) -> Trace:
    """Return the locked row of a trace that waits for a person, marked as resolved by this one."""
    if not actor or not reason.strip():
        raise ValueError("Resolving a trace needs an actor and a reason.")
    row = Trace.objects.select_for_update().filter(pk=trace.pk, state=TraceState.REVIEW).first()
    if row is None:
        raise UnknownReviewError(f"Trace {trace.trace_id} does not wait for a review.")
    row.resolved_at, row.resolved_by, row.resolution = now, actor, reason
    return row
