"""What an agent sees when it decides: a machine's readings and what its operator says."""

from dataclasses import dataclass

DANGER_WORDS = ("smoke", "person", "alarm", "burning")
ALARMS = (
    "there is smoke near the unit",
    "a person is inside the cage",
    "the alarm is sounding",
    "i smell burning",
)
SMALL_TALK = (
    "all steady here",
    "nothing to report",
    "carry on please",
    "shift change done",
    "the floor is quiet",
    "parts arrived late",
    "we start in an hour",
    "the crew is at lunch",
)
ROLES = ("pump", "fridge", "camera", "gateway", "drill", "forklift")

HOTTEST = 85  # degrees Celsius: from here a machine is too hot
WEAKEST = 15  # per cent of battery: below it a machine is too weak
BUSIEST = 90  # per cent of load: from here a machine does too much
LONGEST = 500  # messages waiting: from here the queue is a backlog


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """One machine at one moment, in the form the shipped models were trained on."""

    role: str
    temperature: int
    battery: int
    load: int
    queue: int
    link: bool
    said: str

    @property
    def is_dangerous(self) -> bool:
        """Whether the operator speaks of danger to people or machine."""
        return not set(DANGER_WORDS).isdisjoint(self.said.lower().split())

    @property
    def is_hot(self) -> bool:
        """Whether the machine is at or over its temperature limit."""
        return self.temperature >= HOTTEST

    @property
    def is_weak(self) -> bool:
        """Whether the battery is nearly empty."""
        return self.battery < WEAKEST

    @property
    def is_busy(self) -> bool:
        """Whether the machine has too much to do."""
        return self.load >= BUSIEST

    @property
    def is_backlogged(self) -> bool:
        """Whether too many messages wait."""
        return self.queue >= LONGEST

    @property
    def is_steady(self) -> bool:
        """Whether nothing is left to do."""
        return not any((self.is_dangerous, self.is_hot, self.is_weak, self.is_busy, self.is_backlogged))

    def prompt(self) -> str:
        """Return the prompt, ending where the model's decision begins."""
        return (
            f"role={self.role} temp={self.temperature:02d} batt={self.battery:02d} load={self.load:02d}"
            f" queue={self.queue:03d} link={'up' if self.link else 'down'}\n"
            f"operator: {self.said}\ndecision: "
        )
