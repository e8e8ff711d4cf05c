"""The scenario: incidents that depend on the seed alone and follow their rules, whatever the agent does."""

import random
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from runtime import scenario
from runtime.grammar import Action
from runtime.scenario import MOST_DECISIONS, MOST_TURNS, incidents
from runtime.situation import SMALL_TALK, Situation
from runtime.wire import TaskState, TurnOutcome

CALM = Situation(role="pump", temperature=40, battery=50, load=50, queue=0, link=True, said=SMALL_TALK[0])


def script(start=CALM, said=(SMALL_TALK[0],) * MOST_TURNS, **given):
    drawn = {"cooling": 10, "relief": 20, "drain": 300, "charge": 20, "link_returns": None, "withdrawn": None}
    return scenario.Script(start=start, said=said, **(drawn | given))


def begin(**given):
    incident = scenario.Incident(script(**given))
    assert incident.begin_turn() is None
    return incident


def play(incident, choose):
    """Play an incident to its end; return the ending and the decisions of each turn."""
    turns = []
    while (ending := incident.begin_turn()) is None:
        turns.append(0)
        while True:
            turns[-1] += 1
            reaction = incident.react(choose(incident.situation))
            if reaction.outcome is not None:
                break
        if reaction.ending is not None:
            return reaction.ending, turns
    return ending, turns


@given(seed=st.integers(), chance=st.randoms())
def test_every_incident_ends_within_its_bounds_whatever_is_decided(seed, chance):
    for incident in islice(incidents(seed=seed), 5):
        ending, turns = play(incident, lambda _situation: chance.choice(tuple(Action)))

        assert ending.state in (TaskState.COMPLETED, TaskState.FAILED, TaskState.CANCELED)
        assert len(turns) <= MOST_TURNS
        assert all(1 <= decisions <= MOST_DECISIONS for decisions in turns)


@given(seed=st.integers(0, 10**6))
def test_every_reading_stays_in_the_form_the_models_know(seed):
    incident = scenario.Incident(scenario.draw(random.Random(seed)))
    order = random.Random(seed)

    def choose(situation):
        assert 20 <= situation.temperature <= 99
        assert 1 <= situation.battery <= 99
        assert 1 <= situation.load <= 99
        assert 0 <= situation.queue <= 999
        return order.choice(tuple(Action))

    play(incident, choose)


def test_the_same_seed_gives_the_same_incidents_and_another_gives_others():
    first, again, other = ([incident._script for incident in islice(incidents(seed=seed), 10)] for seed in (1, 1, 2))

    assert first == again
    assert first != other


def test_saying_continue_to_a_steady_machine_completes_the_task():
    reaction = begin().react(Action.CONTINUE)

    assert (reaction.outcome, reaction.ending.state) == (TurnOutcome.ANSWERED, TaskState.COMPLETED)


def test_saying_continue_to_a_machine_in_trouble_only_ends_the_turn():
    reaction = begin(start=Situation(**(as_dict(CALM) | {"load": 95}))).react(Action.CONTINUE)

    assert (reaction.outcome, reaction.ending) == (TurnOutcome.ANSWERED, None)


def test_each_action_changes_what_it_should():
    incident = begin(start=Situation(**(as_dict(CALM) | {"temperature": 95, "load": 95, "queue": 700, "battery": 5})))

    incident.react(Action.THROTTLE)
    incident.react(Action.SHED_LOAD)
    incident.react(Action.SYNC_NOW)
    assert (incident.situation.temperature, incident.situation.load, incident.situation.queue) == (85, 75, 400)
    incident.begin_turn()
    incident.react(Action.SLEEP)
    assert incident.situation.battery == 5
    incident.begin_turn()
    assert incident.situation.battery == 25


def test_a_link_returns_before_its_turn():
    incident = begin(start=Situation(**(as_dict(CALM) | {"link": False})), link_returns=2)
    incident.react(Action.DEFER_SYNC)
    incident.begin_turn()

    assert incident.situation.link


def test_alerting_people_twice_hands_the_task_to_them():
    incident = begin()
    first = incident.react(Action.ALERT)
    incident.begin_turn()
    second = incident.react(Action.ALERT)

    assert (first.outcome, first.ending) == (TurnOutcome.INPUT_REQUIRED, None)
    assert (second.ending.state, second.ending.reason) == (TaskState.FAILED, "escalated")


def test_four_turns_that_did_not_help_fail_the_task():
    ending, turns = play(scenario.Incident(script()), lambda _situation: Action.DEFER_SYNC)

    assert (ending.state, ending.reason, turns) == (TaskState.FAILED, "unresolved", [1, 1, 1, 1])


def test_a_machine_withdrawn_before_a_turn_cancels_the_task():
    ending, turns = play(scenario.Incident(script(withdrawn=3)), lambda _situation: Action.DEFER_SYNC)

    assert (ending.state, ending.reason, turns) == (TaskState.CANCELED, "withdrawn", [1, 1])


def as_dict(situation):
    return {name: getattr(situation, name) for name in situation.__slots__}
