"""The corpus: situations and the decision that a small rule book makes in each. No third-party text goes in."""

import random

from runtime.situation import ALARMS, ROLES, SMALL_TALK, Situation

ALARMED = 0.14
CALM = 0.7
CALM_READING = 0.8


def decide(situation: Situation) -> tuple[str, str, str]:
    """Return action, priority and reason; the first rule that applies wins."""
    backlogged = situation.is_backlogged
    rules = (
        (situation.is_dangerous, ("alert", "high", "operator reported danger")),
        (situation.is_hot, ("throttle", "high", "temperature over limit")),
        (situation.is_weak, ("sleep", "mid", "battery is low")),
        (situation.is_busy, ("shed_load", "mid", "load is too high")),
        (backlogged and situation.link, ("sync_now", "mid", "queue is long and link is up")),
        (backlogged, ("defer_sync", "low", "queue is long but link is down")),
    )
    return next((answer for applies, answer in rules if applies), ("continue", "low", "all readings are normal"))


def draw(chance: random.Random) -> Situation:
    """Return a situation; most are made calm in some reading, so that every rule gets its share of the corpus."""
    alarmed = chance.random() < ALARMED
    calm = not alarmed and chance.random() < CALM

    def reading(low: int, high: int, calm_low: int, calm_high: int) -> int:
        wanted = (calm_low, calm_high) if calm and chance.random() < CALM_READING else (low, high)
        return chance.randint(*wanted)

    return Situation(
        role=chance.choice(ROLES),
        temperature=reading(20, 99, 20, 84),
        battery=reading(1, 99, 15, 99),
        load=reading(1, 99, 1, 89),
        queue=chance.choice((chance.randint(0, 99), chance.randint(100, 499), chance.randint(500, 999))),
        link=chance.choice((True, False)),
        said=chance.choice(ALARMS if alarmed else SMALL_TALK),
    )


def sample(chance: random.Random) -> tuple[str, str]:
    """Return a prompt and its answer."""
    situation = draw(chance)
    action, priority, reason = decide(situation)
    return situation.prompt(), f'{{"action":"{action}","priority":"{priority}","reason":"{reason}"}}'
