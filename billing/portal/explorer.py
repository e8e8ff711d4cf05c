"""The usage screen: how much of a meter was used over time, as a chart, a table and a file."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from agents.models import Customer
from billing.models import BillingPeriod, RateCard
from billing.portal.forms import UsageQuestion
from billing.portal.readings import Course, Moment, Reading, read_courses, unit_of
from billing.portal.sheets import Cell
from billing.portal.wording import day_text, label_of, moment_text, plural_of, quantity_text, span_text
from metering import usage
from metering.usage import MeterInfo, Span

MOST_SHOWN: Final = 6
DEFAULT_DAYS: Final = 30
UNNAMED: Final = "Not stated"
MEANINGS: Final = {
    "count": "Each {window} shows how many {units} fell into it.",
    "sum": "Each {window} shows what was added up in it, in {units}.",
    "level": "Each {window} shows the average number of {units} held in it.",
    "peak": "Each {window} shows its busiest stretch, in {units}.",
    "min": "Each {window} shows the lowest value in it, in {units}.",
    "max": "Each {window} shows the highest value in it, in {units}.",
    "unique": "Each {window} shows how many different {units} occurred in it.",
    "latest": "Each {window} shows the last value in it, in {units}.",
}
WHOLES: Final = {"level": " on average", "peak": " at the peak"}


@dataclass(frozen=True, slots=True)
class Series:
    """One line of the chart and column of the table, with what it came to in the whole time."""

    label: str
    total: str
    quantities: tuple[Decimal, ...]


@dataclass(frozen=True, slots=True)
class TableRow:
    """One hour or day of the table."""

    label: str
    quantities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Exploration:
    """Everything that the usage screen shows for a question."""

    question: UsageQuestion
    zone: ZoneInfo
    span: str
    unit: str
    fold: int
    moments: tuple[Moment, ...]
    series: tuple[Series, ...]
    hidden_count: int

    @property
    def meter(self) -> MeterInfo:
        """The meter that was asked about."""
        return self.question.meter

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all was used."""
        return not any(any(series.quantities) for series in self.series)

    @property
    def window_label(self) -> str:
        """What one row of the table is."""
        return self.question.window.capitalize()

    @property
    def summary(self) -> str:
        """What is shown, in one sentence."""
        by = f", split by {label_of(self.question.split).lower()}" if self.question.split else ""
        return f"{self.meter.name} per {self.question.window}{by}, {self.span}"

    @property
    def label(self) -> str:
        """The chart in words, for those who cannot see it."""
        parts = "; ".join(f"{series.label}: {series.total}" for series in self.series)
        return f"Chart of {self.summary}. {parts}. The same numbers are in the table below."

    @property
    def meaning(self) -> str:
        """How one value of the chart is to be read."""
        return MEANINGS[self.meter.aggregation].format(window=self.question.window, units=plural_of(self.unit))

    @property
    def freshness(self) -> str:
        """How new the numbers are."""
        return freshness_text(self.fold)

    @property
    def rows(self) -> tuple[TableRow, ...]:
        """The table, oldest first."""
        return tuple(
            TableRow(
                label=self._moment_label(moment),
                quantities=tuple(quantity_text(series.quantities[index]) for series in self.series),
            )
            for index, moment in enumerate(self.moments)
        )

    @property
    def chart(self) -> dict[str, Any]:
        """What the script draws: numbers as texts, times in seconds since 1970."""
        return {
            "times": [int(moment.starts_at.timestamp()) for moment in self.moments],
            "series": [
                {"label": series.label, "quantities": [f"{quantity:f}" for quantity in series.quantities]}
                for series in self.series
            ],
            "unit": plural_of(self.unit),
            "window": self.question.window,
            "zone": self.zone.key,
        }

    def _moment_label(self, moment: Moment) -> str:
        return day_text(moment.starts_at) if self.question.window is Span.DAY else moment_text(moment.starts_at)


def freshness_text(fold: int) -> str:
    """Return how new folded usage is."""
    if not fold:
        return "No usage was counted yet."
    return f"Counted up to fold {fold}. Usage that is still on its way appears with the next fold."


def offered_meters(*, customer: Customer) -> tuple[MeterInfo, ...]:
    """Return every meter, those that the customer's plan charges for first, in the plan's order."""
    cards = RateCard.objects.filter(
        version__subscriptions__customer=customer, version__subscriptions__ends_at__isnull=True
    ).order_by("position")
    charged = list(dict.fromkeys(key for key in cards.values_list("meter", flat=True) if key))
    rank = {key: index for index, key in enumerate(charged)}
    return tuple(sorted(usage.meters(), key=lambda meter: (rank.get(meter.key, len(rank)), meter.name)))


def default_days(*, customer: Customer, zone: ZoneInfo, now: datetime) -> tuple[date, date]:
    """Return the first and the last day to show unless others are chosen: this billing period, else a month back."""
    today = now.astimezone(zone).date()
    period = BillingPeriod.objects.filter(subscription__customer=customer, starts_at__lte=now, ends_at__gt=now).first()
    if period is None:
        return today - timedelta(days=DEFAULT_DAYS - 1), today
    return period.starts_at.astimezone(zone).date(), today


def explore(*, customer: Customer, question: UsageQuestion, zone: ZoneInfo, now: datetime) -> Exploration:
    """Return the answer to a question about the customer's usage, up to `now`."""
    starts_at, ends_at = question.bounds(zone=zone, now=now)
    reading = read_courses(
        customer_id=customer.pk,
        meter=question.meter,
        starts_at=starts_at,
        ends_at=ends_at,
        window=question.window,
        zone=zone,
        split=question.split,
    )
    return Exploration(
        question=question,
        zone=zone,
        span=span_text(*_whole_days(question, zone), zone),
        unit=unit_of(question.meter),
        fold=reading.fold,
        moments=reading.moments,
        series=tuple(_series(question, reading)),
        hidden_count=max(len(reading.courses) - MOST_SHOWN, 0),
    )


def sheet_of(
    *, customer: Customer, question: UsageQuestion, zone: ZoneInfo, now: datetime
) -> tuple[list[str], list[list[Cell]]]:
    """Return head and rows of a file with the exact quantities behind a question, in the meter's own unit.

    Hours, days and values of the split without usage are left out.
    """
    starts_at, ends_at = question.bounds(zone=zone, now=now)
    split = [question.split] if question.split else []
    answer = usage.read(
        customer_id=customer.pk,
        meter=question.meter.key,
        starts_at=starts_at,
        ends_at=ends_at,
        group_by=split,
        window=question.window,
        zone=zone.key,
    )
    head = ["starts_at", "ends_at", "meter", *split, "quantity", "unit"]
    return head, [
        [
            row.starts_at.isoformat(),
            row.ends_at.isoformat(),
            answer.meter,
            *(row.group[name] for name in split),
            row.quantity,
            answer.unit,
        ]
        for row in answer.rows
    ]


def _whole_days(question: UsageQuestion, zone: ZoneInfo) -> tuple[datetime, datetime]:
    after = question.last + timedelta(days=1)
    return (
        datetime(question.first.year, question.first.month, question.first.day, tzinfo=zone),
        datetime(after.year, after.month, after.day, tzinfo=zone),
    )


def _series(question: UsageQuestion, reading: Reading) -> Iterable[Series]:
    for course in reading.courses[:MOST_SHOWN]:
        label = _course_label(question, course)
        yield Series(
            label=label,
            total=_whole_text(question.meter, course.whole),
            quantities=course.quantities,
        )


def _whole_text(meter: MeterInfo, whole: Decimal) -> str:
    unit = unit_of(meter)
    return f"{quantity_text(whole)} {unit if whole == 1 else plural_of(unit)}{WHOLES.get(meter.aggregation, '')}"


def _course_label(question: UsageQuestion, course: Course) -> str:
    return (course.name or UNNAMED) if question.split else question.meter.name
