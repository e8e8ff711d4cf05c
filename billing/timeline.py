"""Timelines: on which version a subscription stands when, as values; every operation on one gives another."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from billing import periods
from billing.errors import ChangeRefusedError
from billing.offers import Phase


@dataclass(frozen=True, slots=True)
class Stretch:
    """`[starts_at, ends_at)` on one version, in one phase of it (None after the last), in a trial, paused, or both.

    With `begins_cycle` a cycle ends where it begins, so that what came before is invoiced then.
    """

    version_id: int
    starts_at: datetime
    ends_at: datetime | None = None
    phase: int | None = None
    is_trial: bool = False
    is_paused: bool = False
    begins_cycle: bool = False

    def holds(self, at: datetime) -> bool:
        """Whether the instant is in it; the start is, the end is not."""
        return self.starts_at <= at and (self.ends_at is None or at < self.ends_at)


Timeline = tuple[Stretch, ...]


def lay(
    *,
    version_id: int,
    phases: Sequence[Phase],
    starts_at: datetime,
    zone: str,
    trial_ends_at: datetime | None = None,
) -> Timeline:
    """Return a version from `starts_at` on: a trial agreed for this customer, the phases one after another, the rest.

    With `trial_ends_at` the version's own free phases are left out, and the others begin where the trial ends.
    """
    stretches: list[Stretch] = []
    at = starts_at
    if trial_ends_at is not None and trial_ends_at > starts_at:
        stretches.append(Stretch(version_id, starts_at, trial_ends_at, is_trial=True))
        at = trial_ends_at
    for number, phase in enumerate(phases):
        if phase.free and trial_ends_at is not None:
            continue
        ends_at = periods.after(start=at, zone=zone, months=phase.months, days=phase.days)
        stretches.append(Stretch(version_id, at, ends_at, phase=number, is_trial=phase.free))
        at = ends_at
    return (*stretches, Stretch(version_id, at))


def first_charged_at(timeline: Timeline) -> datetime:
    """Return when the first stretch begins that is no trial."""
    return next(stretch.starts_at for stretch in timeline if not stretch.is_trial)


def follow(timeline: Timeline, *, at: datetime, then: Timeline) -> Timeline:
    """Return `timeline` up to `at` and `then` from there on; whatever was agreed for later is replaced.

    The instant belongs to the new state: a stretch that began at `at` is gone.
    """
    return (*cut(timeline, at=at), *then)


def cut(timeline: Timeline, *, at: datetime) -> Timeline:
    """Return what lies before `at`."""
    return tuple(
        stretch if stretch.ends_at is not None and stretch.ends_at <= at else replace(stretch, ends_at=at)
        for stretch in timeline
        if stretch.starts_at < at
    )


def pause(timeline: Timeline, *, at: datetime) -> Timeline:
    """Return the timeline with nothing charged from `at` on; phases and agreed changes go on beneath.

    Raises ChangeRefusedError where it is paused then.
    """
    if stretch_at(timeline, at=at).is_paused:
        raise ChangeRefusedError(f"It is paused at {at.isoformat()} already.")
    return (*cut(timeline, at=at), *_paused(timeline, at, is_paused=True))


def resume(timeline: Timeline, *, at: datetime) -> Timeline:
    """Return the timeline charged again from `at` on. Raises ChangeRefusedError where it is not paused then."""
    if not stretch_at(timeline, at=at).is_paused:
        raise ChangeRefusedError(f"It is not paused at {at.isoformat()}.")
    return (*cut(timeline, at=at), *_paused(timeline, at, is_paused=False))


def stretch_at(timeline: Timeline, *, at: datetime) -> Stretch:
    """Return the stretch that holds an instant. Raises ChangeRefusedError where none does."""
    for stretch in timeline:
        if stretch.holds(at):
            return stretch
    raise ChangeRefusedError(f"The subscription does not run at {at.isoformat()}.")


def begin_cycle(timeline: Timeline, *, at: datetime) -> Timeline:
    """Return the timeline with a cycle that begins where one of its stretches does."""
    return tuple(replace(one, begins_cycle=one.begins_cycle or one.starts_at == at) for one in timeline)


def within(timeline: Timeline, *, starts_at: datetime, ends_at: datetime) -> Timeline:
    """Return the parts of the stretches that lie in `[starts_at, ends_at)`."""
    return tuple(
        replace(stretch, starts_at=max(stretch.starts_at, starts_at))
        for stretch in cut(timeline, at=ends_at)
        if stretch.ends_at is None or stretch.ends_at > starts_at
    )


def _paused(timeline: Timeline, at: datetime, *, is_paused: bool) -> Iterator[Stretch]:
    for stretch in timeline:
        if stretch.ends_at is None or stretch.ends_at > at:
            begins_cycle = stretch.begins_cycle and stretch.starts_at >= at
            starts_at = max(stretch.starts_at, at)
            yield replace(stretch, starts_at=starts_at, is_paused=is_paused, begins_cycle=begins_cycle)
