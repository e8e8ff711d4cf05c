"""The schedule of dunning: after how many days each reminder goes out, and when patience ends; pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from billing.errors import DunningError


@dataclass(frozen=True, slots=True)
class Schedule:
    """Days after the due date (or the first declined payment, where that was earlier), and days of grace after them."""

    days: tuple[int, ...]
    grace_days: int

    def __post_init__(self) -> None:
        """Raise DunningError unless the days rise from at least 0 and there is one."""
        if not self.days or min(self.days) < 0 or self.grace_days < 0:
            raise DunningError("Dunning has at least one step; its days and its grace are 0 or more.")
        if list(self.days) != sorted(set(self.days)):
            raise DunningError(f"The days of dunning rise: {self.days} do not.")

    def step_at(self, *, anchor: datetime, step: int) -> datetime:
        """Return when a step, counted from 1, is due."""
        return anchor + timedelta(days=self.days[step - 1])

    def step_due(self, *, anchor: datetime, now: datetime) -> int:
        """Return the last step whose time has come; 0 before the first."""
        return sum(anchor + timedelta(days=day) <= now for day in self.days)

    def suspends_at(self, *, warned_at: datetime) -> datetime:
        """Return when a customer is suspended whose last reminder went out at `warned_at`."""
        return warned_at + timedelta(days=self.grace_days)

    @property
    def last(self) -> int:
        """The number of the last reminder."""
        return len(self.days)


def configured() -> Schedule:
    """Return the operator's schedule. Raises DunningError where the settings cannot be used."""
    return read(days=settings.DUNNING_DAYS, grace_days=settings.DUNNING_GRACE_DAYS)


def read(*, days: str | Sequence[int], grace_days: int) -> Schedule:
    """Return a schedule written as `1,3,7,14`. Raises DunningError."""
    parts = days.split(",") if isinstance(days, str) else days
    try:
        return Schedule(tuple(int(part) for part in parts), grace_days)
    except ValueError as error:
        raise DunningError(f"AGENTMETER_DUNNING_DAYS is {days!r}; write days such as 1,3,7,14.") from error
