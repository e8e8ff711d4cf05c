"""How long to keep trying a service that does not answer: exponential back-off with full jitter, and an end to it."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from runtime.errors import DeliveryGaveUpError

_HIGHEST_EXPONENT = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Attempts a batch is given and the seconds between them.

    The wait after attempt n is drawn from 0 to `base_seconds` * 2**n, at most `ceiling_seconds`: devices that lost
    the service together do not come back together. A service that asks for a longer wait gets it, up to
    `longest_seconds`.
    """

    attempts: int = 8
    base_seconds: float = 0.5
    ceiling_seconds: float = 60.0
    longest_seconds: float = 300.0
    sleep: Callable[[float], None] = time.sleep
    draw: Callable[[float, float], float] = field(default=random.SystemRandom().uniform)

    def wait(self, *, attempt: int, answer: str, at_least: float | None) -> None:
        """Wait after a failed attempt, counted from 0; `answer` is what is reported when patience ends.

        Raises DeliveryGaveUpError when the service asks for more than `longest_seconds`.
        """
        if at_least is not None and at_least > self.longest_seconds:
            raise DeliveryGaveUpError(f"the service asks to wait {at_least:.0f} seconds; the last answer: {answer}")
        highest = min(self.ceiling_seconds, self.base_seconds * 2 ** min(attempt, _HIGHEST_EXPONENT))
        self.sleep(max(self.draw(0.0, highest), at_least or 0.0))
