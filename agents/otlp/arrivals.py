"""Keeps the spans of exports until their trace is whole: each once, however often and in whatever order it is sent.

A span is known by its trace and its own id, so that an export sent again changes nothing.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import msgspec
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q

from agents.auth import Caller
from agents.models import Span as Row
from agents.models import Trace
from agents.models.traces import TraceState
from agents.otlp.spans import Span

GRACE: Final = timedelta(seconds=60)
MAX_AGE: Final = timedelta(hours=24)

# The facts travel as one array: one text is far cheaper to send than an array of texts.
_INSERT: Final = """
INSERT INTO agents_span
    (trace_id, span_id, parent_id, kind, failed, started_at, ended_at, scope, digest, facts, written_as)
SELECT u.*, '' FROM ROWS FROM (
    unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::boolean[], %s::timestamptz[], %s::timestamptz[],
           %s::text[], %s::bytea[]),
    jsonb_array_elements(%s::jsonb)
) AS u
"""


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of an export's spans: how many were new or known, and why the others were refused."""

    new: int
    known: int
    faults: tuple[str, ...]


@transaction.atomic
def store(*, caller: Caller, spans: Sequence[Span], now: datetime) -> Stored:
    """Keep the spans of one export; once that commits they are durable.

    A span that was sent before is known; one that contradicts it is refused, and what came first stands.
    """
    traces = _lock(caller, sorted({span.trace_id for span in spans}), now)
    digests = _known(traces.values(), {span.span_id for span in spans})
    fresh: list[tuple[int, Span, bytes]] = []
    faults: list[str] = []
    for span in spans:
        place, digest = (span.trace_id, span.span_id), span.digest
        if place not in digests:
            digests[place] = digest
            fresh.append((traces[span.trace_id].pk, span, digest))
        elif digests[place] != digest:
            faults.append(f"Span {span.span_id} was sent before with other content; what came first stands.")
    _insert(fresh)
    _expect({number for number, _, _ in fresh}, now)
    return Stored(new=len(fresh), known=len(spans) - len(fresh) - len(faults), faults=tuple(faults))


def _lock(caller: Caller, trace_ids: Sequence[str], now: datetime) -> dict[str, Trace]:
    """Return the rows of the traces, made where there were none, and locked in one order by every request."""
    mine = Q(customer_id=caller.customer_id, environment=caller.environment, trace_id__in=trace_ids)
    Trace.objects.bulk_create(
        [
            Trace(
                customer_id=caller.customer_id,
                environment=caller.environment,
                trace_id=trace_id,
                api_key_id=caller.key_id,
                first_received_at=now,
                due_at=now + MAX_AGE,
            )
            for trace_id in trace_ids
        ],
        ignore_conflicts=True,
    )
    return {row.trace_id: row for row in Trace.objects.select_for_update().filter(mine).order_by("trace_id")}


def _known(traces: Iterable[Trace], span_ids: Iterable[str]) -> dict[tuple[str, str], bytes]:
    rows = Row.objects.filter(trace__in=list(traces), span_id__in=list(span_ids))
    return {
        (trace_id, span_id): bytes(digest)
        for trace_id, span_id, digest in rows.values_list("trace__trace_id", "span_id", "digest")
    }


def _insert(fresh: Sequence[tuple[int, Span, bytes]]) -> None:
    if not fresh:
        return
    rows = [
        (number, one.span_id, one.parent_id, one.kind, one.failed, one.started_at, one.ended_at, one.scope, digest)
        for number, one, digest in fresh
    ]
    facts = msgspec.json.encode([one.facts for _, one, _ in fresh]).decode()
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, [*(list(column) for column in zip(*rows, strict=True)), facts])


def _expect(grown: Collection[int], now: datetime) -> None:
    """Say when to look at traces that grew: a little after their root came, or after what follows that."""
    rooted = Exists(Row.objects.filter(trace=OuterRef("pk"), parent_id=""))
    ready = Q(state=TraceState.DONE) | (Q(state=TraceState.OPEN) & rooted)
    Trace.objects.filter(ready, pk__in=grown).update(state=TraceState.OPEN, due_at=now + GRACE)
