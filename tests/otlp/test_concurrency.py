"""Many exporters and workers at once: each span is kept once, each trace written once, and nobody waits in a circle."""

import random
from datetime import timedelta
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from agents.models import Span, Trace
from agents.models.traces import TraceState
from agents.otlp import arrivals
from metering.models import Batch, Event
from tests.factories import customer
from tests.otlp import factories as make
from tests.otlp.test_traces import ONE_RUN, kinds
from tests.threads import at_once

EXPORTERS = 6


@pytest.fixture
def acme(committed):
    return customer("acme")


def test_exporters_that_send_the_same_spans_in_other_orders_agree(acme):
    caller = make.caller_of(acme)
    spans = [span for framework in make.FRAMEWORKS * 5 for span in make.read(*framework(make.trace_id()))]

    def export(seed):
        mixed = random.Random(seed).sample(spans, len(spans))
        return sum(
            arrivals.store(caller=caller, spans=mixed[place : place + 10], now=make.NOW).new
            for place in range(0, len(mixed), 10)
        )

    stored = at_once(*(lambda seed=seed: export(seed) for seed in range(EXPORTERS)))
    assert sum(stored) == len(spans) == Span.objects.count()
    assert make.complete() == Trace.objects.count() == 20
    assert kinds() == sorted(ONE_RUN * 20)


def test_workers_at_once_write_each_trace_once(acme):
    for _ in range(10):
        make.send(acme, *make.pydantic_ai(make.trace_id()))
    assert sum(at_once(*[make.complete] * 4)) == 10
    assert (Batch.objects.count(), kinds()) == (10, sorted(ONE_RUN * 10))


def test_a_span_that_arrives_while_its_trace_is_written_is_not_lost(acme):
    caller = make.caller_of(acme)
    for _ in range(10):
        late, *rest = make.read(*make.pydantic_ai(make.trace_id()))
        arrivals.store(caller=caller, spans=rest, now=make.NOW)
        at_once(
            make.complete,
            partial(arrivals.store, caller=caller, spans=[late], now=make.NOW + timedelta(minutes=2)),
        )
    make.complete(timedelta(minutes=5))
    assert set(Trace.objects.values_list("state", flat=True)) == {TraceState.DONE}
    assert kinds() == sorted(ONE_RUN * 10)


class AnyDelivery(TestCase):
    """However a run is cut, mixed and repeated on its way, it comes to the same events."""

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.data())
    def test_shuffled_repeated_and_cut_exports_come_to_the_plain_ones(self, data):
        framework = data.draw(st.sampled_from(make.FRAMEWORKS))
        trace = make.trace_id()
        scope, sent = framework(trace)
        plain, other = customer("acme"), customer("rival")
        make.send(plain, scope, sent)
        mixed = data.draw(st.permutations(sent + data.draw(st.lists(st.sampled_from(sent), max_size=6))))
        while mixed:
            cut = data.draw(st.integers(1, len(mixed)))
            make.send(other, scope, mixed[:cut])
            mixed = mixed[cut:]
        assert make.complete() == 2
        assert _told(plain) == _told(other)


def _told(owner):
    rows = Event.objects.filter(customer_id=owner.pk).order_by("event_id")
    return [(row.event_id, row.type, row.time, row.subject, row.environment, row.data) for row in rows]
