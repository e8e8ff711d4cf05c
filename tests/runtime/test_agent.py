"""The agent: the same work for the same seed, every use recorded with its turn, bounds that hold."""

from collections import Counter, defaultdict
from itertools import islice

import pytest

from runtime import model, wire
from runtime.agent import Agent, Limits, Tally
from runtime.engine.llama import LlamaEngine
from runtime.errors import SpoolFullError
from runtime.grammar import Action
from runtime.recorder import Recorder
from runtime.scenario import MOST_DECISIONS, MOST_TURNS, incidents
from runtime.situation import ALARMS
from tests.runtime.conftest import NOON, dimensions


class Journal:
    """Keeps what was appended, append by append."""

    def __init__(self):
        self.appends = []

    def require_room(self):
        pass

    def append(self, events):
        self.appends.append(list(events))
        return len(self.events)

    @property
    def events(self):
        return [event for events in self.appends for event in events]

    def data(self, kind):
        return [event["data"] for event in self.events if event["type"] == kind]


def run(engine, recorder, *, tasks=20, seed=1, **limits):
    journal, tally = Journal(), Tally()
    agent = Agent(engine=engine, recorder=recorder, journal=journal, limits=Limits(**limits))
    for incident in islice(incidents(seed=seed), tasks):
        tally.add(agent.work(incident))
    return journal, tally


def one_with_alarm(seed=1):
    return next(incident for incident in incidents(seed=seed) if incident._script.said[0] in ALARMS)


@pytest.fixture(scope="module")
def worked(engine):
    return run(engine, Recorder(dimensions=dimensions(), clock=lambda: NOON), tasks=60)


def test_a_seed_gives_the_same_work_every_time(engine, recorder, worked):
    journal, tally = worked
    again, again_tally = run(engine, recorder, tasks=60)

    def shape(journal):
        return [
            (event["type"], event["data"].get("action"), event["data"].get("state"), event["data"].get("outcome"))
            for event in journal.events
        ]

    assert shape(again) == shape(journal)
    assert (again_tally.states, again_tally.turns, again_tally.tokens) == (tally.states, tally.turns, tally.tokens)


def test_another_seed_gives_other_work(engine, recorder, worked):
    assert run(engine, recorder, tasks=60, seed=2)[1].tokens != worked[1].tokens


def test_tasks_end_in_every_way_and_each_exactly_once(worked):
    journal, tally = worked
    ends = journal.data(wire.TASK_STATE_CHANGED)

    assert len(ends) == len({end["task"] for end in ends}) == tally.tasks == 60
    assert {(end["state"], end["reason"]) for end in ends} >= {
        ("completed", "steady"),
        ("failed", "escalated"),
        ("canceled", "withdrawn"),
    }
    assert Counter(end["state"] for end in ends) == tally.states


def test_turns_and_decisions_stay_within_the_scenarios_bounds_and_add_up(worked):
    journal, tally = worked
    turns, decisions = journal.data(wire.TURN_COMPLETED), journal.data(wire.DECISION_MADE)
    numbers = defaultdict(list)
    for decision in decisions:
        numbers[decision["turn"]].append(decision["number"])

    assert max(Counter(turn["task"] for turn in turns).values()) <= MOST_TURNS
    assert all(1 <= turn["decisions"] <= MOST_DECISIONS for turn in turns)
    assert all(numbers[turn["turn"]] == list(range(1, turn["decisions"] + 1)) for turn in turns)
    assert (len(turns), len(decisions)) == (tally.turns, tally.decisions)


def test_every_turn_has_one_compute_slice_and_slices_add_up_to_the_cpu_time(worked):
    journal, tally = worked
    slices = journal.data(wire.COMPUTE_USED)

    assert [used["turn"] for used in slices] == [turn["turn"] for turn in journal.data(wire.TURN_COMPLETED)]
    assert len({used["slice"] for used in slices}) == len(slices)
    assert sum(used["milliseconds"] for used in slices) == tally.milliseconds > 0
    assert all(
        (used["resource"], used["gpu_milliseconds"], used["gpu_method"]) == ("cpu", None, "unavailable")
        for used in slices
    )


def test_all_events_of_a_turn_are_committed_together(worked):
    for events in worked[0].appends:
        kinds = [event["type"] for event in events]
        assert kinds.count(wire.TURN_COMPLETED) <= 1
        assert len({event["data"]["turn"] for event in events if "turn" in event["data"]}) <= 1
        assert wire.TASK_STATE_CHANGED not in kinds[:-1]


def test_every_event_carries_every_dimension_and_has_a_canonical_form(worked):
    for event in worked[0].events:
        assert set(wire.DIMENSIONS) <= set(event["data"])
        assert wire.canonical(event)
    assert len({event["id"] for event in worked[0].events}) == len(worked[0].events)


def test_the_guard_overrules_a_model_that_would_carry_on_in_danger(engine, recorder):
    journal = Journal()
    agent = Agent(engine=engine, recorder=recorder, journal=journal, limits=Limits(actions=(Action.CONTINUE,)))

    tally = agent.work(one_with_alarm())

    first = journal.data(wire.DECISION_MADE)[0]
    assert (first["action"], first["guard"], first["outcome"]) == ("alert", "danger", "usable")
    assert journal.data(wire.TURN_COMPLETED)[0]["outcome"] == "input_required"
    assert tally.overruled >= 1


def test_a_task_may_not_decide_more_often_than_its_limit(engine, recorder):
    journal, tally = run(engine, recorder, tasks=10, decisions=1)

    assert max(Counter(made["task"] for made in journal.data(wire.DECISION_MADE)).values()) == 1
    assert "decision_limit" in {end["reason"] for end in journal.data(wire.TASK_STATE_CHANGED)}
    assert tally.tasks == 10


def test_an_output_that_is_cut_off_is_recorded_as_unusable_and_fails_the_task(engine, recorder):
    journal, tally = run(engine, recorder, tasks=1, tokens=3)

    (made,) = journal.data(wire.DECISION_MADE)
    assert (made["outcome"], made["action"], made["completion_tokens"]) == ("unusable", None, 3)
    (end,) = journal.data(wire.TASK_STATE_CHANGED)
    assert (end["state"], end["reason"]) == ("failed", "unusable_decision")
    assert tally.unusable == 1


def test_a_fault_of_the_engine_is_the_runtimes_fault_and_its_compute_is_still_recorded(recorder):
    with LlamaEngine(path=model.resolve("nano-Q4_0"), context_tokens=16) as cramped:
        journal, _ = run(cramped, recorder, tasks=1)

    (turn,) = journal.data(wire.TURN_COMPLETED)
    assert (turn["outcome"], turn["decisions"]) == ("runtime_fault", 0)
    assert len(journal.data(wire.COMPUTE_USED)) == 1
    assert journal.data(wire.TASK_STATE_CHANGED)[0]["reason"] == "runtime_fault"


class Interrupted:
    """Work during whose turn the agent is told to stop."""

    def __init__(self, work, agent):
        self._work, self._agent = work, agent

    @property
    def situation(self):
        return self._work.situation

    def begin_turn(self):
        ending = self._work.begin_turn()
        self._agent.stop()
        return ending

    def react(self, action):
        return self._work.react(action)


def test_a_task_stopped_in_the_middle_is_canceled_with_its_turn(recorder):
    journal = Journal()
    with LlamaEngine(path=model.resolve("nano-Q4_0")) as engine:
        agent = Agent(engine=engine, recorder=recorder, journal=journal)
        tally = agent.work(Interrupted(next(incidents(seed=1)), agent))
        later = agent.work(next(incidents(seed=1)))

    assert [event["type"] for event in journal.appends[0]] == [
        wire.COMPUTE_USED,
        wire.TURN_COMPLETED,
        wire.TASK_STATE_CHANGED,
    ]
    assert journal.data(wire.TURN_COMPLETED)[0]["outcome"] == "canceled"
    assert tally.states == later.states == {"canceled": 1}
    assert later.turns == 0


def test_a_task_is_refused_before_it_begins_when_its_events_might_not_fit(engine, recorder, open_spool):
    spool = open_spool(max_bytes=200_000)
    before = engine.counters()

    with pytest.raises(SpoolFullError):
        Agent(engine=engine, recorder=recorder, journal=spool).work(next(incidents(seed=1)))
    assert engine.counters() == before
    assert spool.status().sequence == 0
