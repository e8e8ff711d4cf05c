"""Small drawings of how a quantity went, as the points of an SVG line; pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from billing.portal.wording import quantity_text

WIDTH: Final = 104
HEIGHT: Final = 28
MARGIN: Final = 2  # so that the stroke of the highest point is not cut off


@dataclass(frozen=True, slots=True)
class Trend:
    """A line for the eye (`points`), and the same in words (`label`)."""

    points: str
    label: str


def draw_trend(*, quantities: Sequence[Decimal], name: str) -> Trend | None:
    """Return the line through the quantities of successive days; None for a single day, or where nothing was used."""
    if len(quantities) < 2 or not any(quantities):  # noqa: PLR2004 - a line needs two points
        return None
    top = max(quantities)
    step = Decimal(WIDTH) / (len(quantities) - 1)
    points = " ".join(f"{index * step:.1f},{_height(quantity, top):.1f}" for index, quantity in enumerate(quantities))
    label = f"{name} by day: from {quantity_text(min(quantities))} to {quantity_text(top)}"
    return Trend(points=points, label=f"{label}, latest {quantity_text(quantities[-1])}")


def _height(quantity: Decimal, top: Decimal) -> Decimal:
    room = HEIGHT - 2 * MARGIN
    return HEIGHT - MARGIN - max(quantity, Decimal(0)) / top * room if top > 0 else Decimal(HEIGHT - MARGIN)
