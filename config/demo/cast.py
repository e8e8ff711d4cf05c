"""Who is in the demonstration: one customer for each kind of plan."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class SeatSpell:
    """A seat of the cast: who holds it, and from how far into the elapsed part of the period (0 to 1)."""

    key: str
    holder: str
    after: tuple[int, int]

    def assigned_at(self, *, period_starts_at: datetime, now: datetime) -> datetime:
        """Return the instant of assignment, never in the future."""
        part, whole = self.after
        elapsed = (now - period_starts_at) // timedelta(seconds=1)
        return period_starts_at + timedelta(seconds=elapsed * part // whole)


@dataclass(frozen=True, slots=True)
class Part:
    """One customer of the demonstration."""

    key: str
    name: str
    email: str
    address: str
    country: str
    time_zone: str
    plan: str
    agent: str
    tasks: int
    seed: int
    model: str
    seats: tuple[SeatSpell, ...] = ()


CAST = (
    Part(
        key="harbour",
        name="Harbour Robotics",
        email="accounts@harbour.example",
        address="Quay 7\n20457 Hamburg",
        country="DE",
        time_zone="Europe/Berlin",
        plan="seats",
        agent="crane-watch",
        tasks=20,
        seed=11,
        model="nano-Q8_0",
        seats=(
            SeatSpell("crew-1", "Ada", (0, 1)),
            SeatSpell("crew-2", "Grace", (0, 1)),
            SeatSpell("crew-3", "Linus", (1, 2)),
        ),
    ),
    Part(
        key="northwind",
        name="Northwind Power",
        email="billing@northwind.example",
        address="1200 Ridge Road\nSweetwater, TX 79556",
        country="US",
        time_zone="America/Chicago",
        plan="compute",
        agent="turbine-guard",
        tasks=400,
        seed=22,
        model="nano-Q4_0",
    ),
    Part(
        key="fieldstone",
        name="Fieldstone Logistics",
        email="ap@fieldstone.example",
        address="Havenstraat 40\n3024 Rotterdam",
        country="NL",
        time_zone="Europe/Amsterdam",
        plan="activity",
        agent="yard-dispatch",
        tasks=60,
        seed=33,
        model="nano-Q8_0",
    ),
    Part(
        key="atlas",
        name="Atlas Cold Chain",
        email="finance@atlas.example",
        address="1 Reefer Way\nNewark, NJ 07114",
        country="US",
        time_zone="America/New_York",
        plan="hybrid",
        agent="fridge-keeper",
        tasks=200,
        seed=44,
        model="nano-Q8_0",
    ),
)
