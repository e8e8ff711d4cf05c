"""The question about usage that a person puts together: which meter, which days, per hour or day, split by what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django import forms
from django.urls import reverse_lazy

from billing.portal.wording import label_of
from metering.usage import MeterInfo, Span

MOST_DAYS: Final = {Span.HOUR: 31, Span.DAY: 366}
EARLIEST: Final = date(2000, 1, 1)  # long before the first event; the calendar's own first day has no UTC
WINDOWS: Final = [(Span.HOUR.value, "Hour"), (Span.DAY.value, "Day")]
_AT_ONCE: Final = {"hx-get": reverse_lazy("portal:usage"), "hx-trigger": "change", "hx-include": "closest form"}


@dataclass(frozen=True, slots=True)
class UsageQuestion:
    """A checked question: the usage of `meter` on the local days `first` to `last`, both included."""

    meter: MeterInfo
    split: str
    window: Span
    first: date
    last: date

    @property
    def query(self) -> str:
        """The question as the query of an address."""
        return urlencode(
            {
                "meter": self.meter.key,
                "split": self.split,
                "window": self.window,
                "first": self.first.isoformat(),
                "last": self.last.isoformat(),
            }
        )

    def bounds(self, *, zone: ZoneInfo, now: datetime) -> tuple[datetime, datetime]:
        """Return the half-open time asked for, as far as it has passed; at its very start, the first instant."""
        start, end = _midnight(self.first, zone), _midnight(self.last + timedelta(days=1), zone)
        return start, max(min(end, now.astimezone(UTC)), start + timedelta.resolution)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


class UsageForm(forms.Form):
    """Reads a usage question; what is not given is taken from `defaults`, so that every address of the page works."""

    meter = forms.ChoiceField(label="Meter", widget=forms.Select(attrs=_AT_ONCE))
    window = forms.ChoiceField(label="Per", choices=WINDOWS, widget=forms.Select(attrs=_AT_ONCE))
    split = forms.ChoiceField(label="Split by", required=False, widget=forms.Select(attrs=_AT_ONCE))
    first = forms.DateField(label="First day", widget=forms.DateInput(attrs={"type": "date"}))
    last = forms.DateField(label="Last day", widget=forms.DateInput(attrs={"type": "date"}))

    def __init__(
        self, given: Mapping[str, str], *, defaults: Mapping[str, str], meters: Sequence[MeterInfo], today: date
    ) -> None:
        super().__init__({**defaults, **given})
        self.meters = {meter.key: meter for meter in meters}
        self.today = today
        self.notice = ""
        self._choice("meter").choices = [(meter.key, meter.name) for meter in meters]
        self._choice("split").choices = self._splits({name for meter in meters for name in meter.dimensions})
        self._choice("split").widget.choices = self._splits(self._chosen_dimensions())

    def clean(self) -> dict[str, Any]:
        """Check the fields against each other."""
        cleaned: dict[str, Any] = self.cleaned_data
        self._check_split(cleaned)
        first, last = cleaned.get("first"), cleaned.get("last")
        if first and last and "window" in cleaned:
            self._check_days(first, last, Span(cleaned["window"]))
        return cleaned

    def question(self) -> UsageQuestion:
        """Return what was asked; the form must be valid."""
        cleaned = self.cleaned_data
        return UsageQuestion(
            meter=self.meters[cleaned["meter"]],
            split=cleaned["split"],
            window=Span(cleaned["window"]),
            first=cleaned["first"],
            last=cleaned["last"],
        )

    def _check_split(self, cleaned: dict[str, Any]) -> None:
        """Show a meter as a whole, and say so, where it is not split by what was chosen for the meter before."""
        meter, split = self.meters.get(cleaned.get("meter", "")), cleaned.get("split")
        if meter and split and split not in meter.dimensions:
            self.notice = f"{meter.name} cannot be split by {label_of(split).lower()}; the whole is shown."
            cleaned["split"] = ""

    def _check_days(self, first: date, last: date, window: Span) -> None:
        if last < first:
            self.add_error("last", "The last day must not be before the first.")
        elif first < EARLIEST:
            self.add_error("first", f"The first day must not be before {EARLIEST:%Y}.")
        elif first > self.today:
            self.add_error("first", "The first day lies in the future.")
        elif (last - first).days >= MOST_DAYS[window]:
            self.add_error("last", f"Per {window}, choose at most {MOST_DAYS[window]} days.")

    def _choice(self, name: str) -> forms.ChoiceField:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 - the class declares it so
        return field

    def _chosen_dimensions(self) -> set[str]:
        meter = self.meters.get(self.data["meter"])
        return set(meter.dimensions) if meter else set()

    @staticmethod
    def _splits(names: set[str]) -> list[tuple[str, str]]:
        return [("", "Nothing"), *((name, label_of(name)) for name in sorted(names))]
