"""Traces wait until they are whole, become usage exactly once, or go to a person."""

from datetime import timedelta

import pytest
from django.db import connection

from agents import reviews, tasks
from agents.errors import UnknownReviewError
from agents.models import Agent, Span, Trace
from agents.models.traces import TraceIssue, TraceState
from agents.otlp import events, traces
from metering import ingest, usage
from metering.models import Batch, Event, Refusal
from tests.factories import customer
from tests.otlp import factories as make
from tests.otlp.factories import NOW

pytestmark = pytest.mark.django_db
DAY = timedelta(hours=24)


@pytest.fixture
def acme():
    return customer("acme")


def kinds():
    return sorted(name.removeprefix("io.agentmeter.") for name in Event.objects.values_list("type", flat=True))


ONE_RUN = ["decision.made.v1", "decision.made.v1", "tool.called.v1", "turn.completed.v1"]


@pytest.mark.parametrize("framework", make.FRAMEWORKS)
def test_a_whole_trace_becomes_usage_a_minute_after_its_root(acme, framework):
    make.send(acme, *framework(make.trace_id()))
    assert make.complete(timedelta(seconds=59)) == 0
    assert make.complete(timedelta(seconds=60)) == 1
    assert kinds() == ONE_RUN
    assert set(Event.objects.values_list("source", flat=True)) == {events.SOURCE}
    assert Agent.objects.get().key == "triage"
    assert Batch.objects.get().api_key_id == Trace.objects.get().api_key_id


def test_events_carry_what_meters_count_by_and_ids_from_trace_and_span(acme):
    trace = make.trace_id()
    make.send(acme, *make.pydantic_ai(trace))
    make.complete()
    rows = {row.type.split(".")[2]: row for row in Event.objects.order_by("time")}
    turn, decision, call = rows["turn"], rows["decision"], rows["tool"]
    assert turn.event_id == f"{trace.hex()}:{Span.objects.get(parent_id='').span_id}"
    assert turn.data["turn"] == decision.data["turn"] == call.data["turn"] == turn.event_id
    assert decision.data["prompt_tokens"] == 52
    assert (decision.data["outcome"], turn.data["outcome"], call.data["tool"]) == ("usable", "answered", "look")
    assert {row.data["feed"] for row in rows.values()} == {"otlp"}


def test_a_resent_export_changes_nothing_before_or_after_the_trace_is_written(acme):
    scope, sent = make.pydantic_ai(make.trace_id())
    first = make.send(acme, scope, sent)
    again = make.send(acme, scope, sent)
    assert (first.new, first.known, again.new, again.known, again.faults) == (4, 0, 0, 4, ())
    make.complete()
    make.send(acme, scope, sent, now=NOW + timedelta(hours=1))
    assert make.complete(timedelta(hours=2)) == 0
    assert (len(kinds()), Batch.objects.count(), Span.objects.count()) == (4, 1, 4)


def test_a_span_that_contradicts_the_one_before_is_refused(acme):
    scope, sent = make.pydantic_ai(make.trace_id())
    make.send(acme, scope, sent)
    sent[0].end_time_unix_nano += 1_000_000
    assert len(make.send(acme, scope, sent).faults) == 1
    assert Span.objects.count() == 4


def test_children_that_come_long_before_their_root_wait_for_it(acme):
    scope, sent = make.pydantic_ai(make.trace_id())
    make.send(acme, scope, sent[:-1])
    assert make.complete(timedelta(hours=23)) == 0
    make.send(acme, scope, sent[-1:], now=NOW + timedelta(hours=23))
    assert make.complete(timedelta(hours=23, minutes=2)) == 1
    assert kinds() == ONE_RUN


def test_spans_that_come_after_the_root_but_late_are_waited_for(acme):
    scope, sent = make.langchain(make.trace_id())
    make.send(acme, scope, [span for span in sent if span.name != "triage.workflow"])
    assert make.complete(timedelta(hours=1)) == 0
    make.send(acme, scope, sent, now=NOW + timedelta(hours=1))
    assert make.complete(timedelta(hours=1, minutes=2)) == 1
    assert kinds() == ONE_RUN


def test_a_trace_without_its_root_goes_to_a_person_after_a_day_and_is_not_billed(acme):
    trace = make.trace_id()
    scope, sent = make.pydantic_ai(trace)
    make.send(acme, scope, sent[:-1])
    assert make.complete(DAY) == 0
    assert kinds() == []
    review = reviews.waiting(customer_id=acme.pk)[0]
    assert (review.kind, review.what, review.since) == (TraceIssue.INCOMPLETE, f"trace {trace.hex()}", NOW + DAY)
    make.send(acme, scope, sent, now=NOW + DAY * 2)
    assert make.complete(DAY * 3) == 0


def test_a_person_may_accept_what_is_there_or_dismiss_it_with_a_reason_once(acme):
    for _ in range(2):
        scope, sent = make.pydantic_ai(make.trace_id())
        make.send(acme, scope, sent[:-1])
    make.complete(DAY)
    one, other = Trace.objects.order_by("pk")
    with pytest.raises(ValueError, match="reason"):
        traces.accept(trace=one, actor="ann", reason=" ", now=NOW + DAY)
    assert traces.accept(trace=one, actor="ann", reason="The root was lost.", now=NOW + DAY)
    traces.dismiss(trace=other, actor="ann", reason="A test.", now=NOW + DAY)
    assert kinds() == ["decision.made.v1", "decision.made.v1", "tool.called.v1"]
    assert reviews.waiting(customer_id=acme.pk) == ()
    with pytest.raises(UnknownReviewError):
        traces.dismiss(trace=one, actor="ann", reason="Again.", now=NOW + DAY)


def test_a_late_span_of_a_written_trace_is_added_under_its_own_id(acme):
    scope, sent = make.pydantic_ai(make.trace_id())
    make.send(acme, scope, sent[1:])
    make.complete()
    make.send(acme, scope, sent[:1], now=NOW + timedelta(hours=1))
    assert make.complete(timedelta(hours=2)) == 1
    assert kinds() == ONE_RUN
    assert Trace.objects.get().state == TraceState.DONE


def test_a_late_span_that_changes_what_was_counted_goes_to_a_person_and_nothing_counts_twice(acme):
    trace = make.trace_id()
    outer = make.chat(trace, None)
    inner = make.chat(trace, outer)
    root = make.gen_ai(trace, "invoke_agent", agent="triage")
    inner.parent_span_id = root.span_id
    outer.parent_span_id = inner.span_id
    make.send(acme, "x", [outer, root, make.span(trace, root)])
    Trace.objects.update(state=TraceState.REVIEW, issue=TraceIssue.INCOMPLETE, issue_at=NOW)
    traces.accept(trace=Trace.objects.get(), actor="ann", reason="Enough.", now=NOW)
    assert kinds() == ["decision.made.v1", "turn.completed.v1"]
    make.send(acme, "x", [inner], now=NOW)
    make.complete()
    assert Trace.objects.get().issue == TraceIssue.CHANGED
    assert [one.kind for one in reviews.waiting(customer_id=acme.pk)] == [TraceIssue.CHANGED]
    assert kinds().count("turn.completed.v1") == 1


def test_a_failed_inference_is_unusable_and_a_failed_run_a_fault(acme):
    trace = make.trace_id()
    root = make.gen_ai(trace, "invoke_agent", agent="triage", failed=True)
    make.send(acme, "x", [make.chat(trace, root, failed=True), make.tool(trace, root, failed=True), root])
    make.complete()
    outcomes = {row.type.split(".")[2]: row.data["outcome"] for row in Event.objects.all()}
    assert outcomes == {"turn": "runtime_fault", "decision": "unusable", "tool": "error"}


def test_a_run_from_the_future_is_refused_by_metering_and_shown(acme):
    scope, sent = make.pydantic_ai(make.trace_id())
    make.send(acme, scope, sent, now=NOW - timedelta(days=1))
    traces.complete_due(now=NOW - timedelta(hours=23))
    row = Trace.objects.get()
    assert (row.state, row.issue) == (TraceState.REVIEW, TraceIssue.REFUSED)
    assert "future" in row.detail
    assert traces.accept(trace=row, actor="ann", reason="The clock is right now.", now=NOW)
    assert kinds() == ONE_RUN


def test_what_a_test_key_sends_is_test_usage_in_a_trace_of_its_own(acme):
    scope, sent = make.pydantic_ai(make.trace_id())
    make.send(acme, scope, sent, environment="test")
    make.complete()
    assert set(Event.objects.values_list("environment", flat=True)) == {"test"}
    assert make.send(acme, scope, sent).new == 4


def test_two_customers_may_send_the_same_ids(acme):
    scope, sent = make.pydantic_ai(make.trace_id())
    for owner in (acme, customer("rival")):
        make.send(owner, scope, sent)
    assert make.complete() == 2
    assert kinds() == sorted(ONE_RUN * 2)


def test_no_prompt_no_answer_and_no_argument_is_anywhere_in_the_database(acme):
    for framework in make.FRAMEWORKS:
        make.send(acme, *framework(make.trace_id()))
    scope, sent = make.pydantic_ai(make.trace_id())
    make.send(acme, scope, sent[:-1])
    make.complete(DAY)
    assert (Event.objects.count(), Refusal.objects.count()) == (16, 0)
    assert tables_with(make.SECRET) == []
    assert tables_with("triage") != []


def tables_with(text):
    """Every table with a row whose text, as a whole, holds the text."""
    found = []
    for table in connection.introspection.table_names():
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {table} t WHERE t::text LIKE %s OR t::text LIKE %s", [
                f"%{text}%", f"%{text.encode().hex()}%"])  # fmt: skip
            if cursor.fetchone()[0]:
                found.append(table)
    return found


def test_a_fault_with_one_trace_does_not_hold_up_the_others(acme, monkeypatch):
    poison, sound = make.trace_id(), make.trace_id()
    for trace in (poison, sound):
        make.send(acme, *make.pydantic_ai(trace))
    record = ingest.record

    def broken(**asked):
        if asked["submissions"][0].id.startswith(poison.hex()):
            raise RuntimeError("disk on fire")
        return record(**asked)

    monkeypatch.setattr(ingest, "record", broken)
    assert make.complete() == 1
    monkeypatch.undo()
    assert make.complete(timedelta(minutes=3)) == 1
    assert kinds() == sorted(ONE_RUN * 2)


def test_traces_are_forgotten_after_a_month_and_those_of_no_usage_after_a_day(acme):
    scope, sent = make.pydantic_ai(make.trace_id())
    make.send(acme, scope, sent)
    make.send(acme, "http", [make.span(make.trace_id())])
    make.complete()
    assert traces.forget(now=NOW + timedelta(hours=23)) == 0
    assert traces.forget(now=NOW + timedelta(days=2)) == 1
    assert traces.forget(now=NOW + timedelta(days=31)) == 1
    assert Span.objects.count() == 0
    make.send(acme, scope, sent, now=NOW + timedelta(days=40))
    make.complete(timedelta(days=41))
    assert len(kinds()) == 4


def test_a_run_of_thousands_of_calls_is_written_whole(acme):
    trace = make.trace_id()
    root = make.gen_ai(trace, "invoke_agent", agent="triage")
    make.send(acme, "x", [*(make.chat(trace, root, at=n % 100) for n in range(2_500)), root])
    make.complete()
    assert (Event.objects.count(), Batch.objects.count()) == (2_501, 3)


def test_nothing_of_the_otlp_feed_is_billed_until_it_is_declared(acme):
    make.send(acme, *make.pydantic_ai(make.trace_id()))
    make.complete()
    usage.catch_up(now=NOW + timedelta(hours=1))

    def counted(meter, environment="production"):
        return usage.quantity(
            customer_id=acme.pk,
            meter=meter,
            environment=environment,
            starts_at=NOW - timedelta(days=1),
            ends_at=NOW,
        )

    assert (counted("turns"), counted("decisions")) == (0, 0)
    assert (counted("turns", "shadow"), counted("decisions", "shadow")) == (1, 2)


def test_the_task_looks_as_of_the_clock_or_of_a_time_with_an_offset(acme):
    make.send(acme, *make.pydantic_ai(make.trace_id()))
    assert tasks.complete_traces("2026-11-15T12:00:59+00:00") == 0
    assert tasks.complete_traces("2026-11-15T13:01:00+01:00") == 1
    assert tasks.complete_traces() == 0
    with pytest.raises(ValueError, match="offset"):
        tasks.complete_traces("2026-11-15T12:00:00")
