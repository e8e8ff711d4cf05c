"""History of a plan version: each edit with who made it, when, and every field before and after."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Final

from django.apps import apps
from django.db import models

from billing.models import PlanVersion

REMOVED: Final = "delete"
_ASIDE: Final = frozenset({"id", "version", "plan", "created_at"})
_EMPTY: Final[tuple[object, ...]] = ("", None, [], {})

State = dict[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Change:
    """One field of the version or of a rate card (`subject` is its key); a None is a row that was not there."""

    subject: str
    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Edit:
    """What one transaction changed. The actor is empty where a command did it outside the admin."""

    at: datetime
    actor: str
    address: str
    changes: tuple[Change, ...]


def edits(*, version: PlanVersion) -> tuple[Edit, ...]:
    """Return every edit of a version and its rate cards, the newest first."""
    return tuple(reversed(list(_edits(version))))


def _edits(version: PlanVersion) -> Iterator[Edit]:
    rows = [*_events("planversionevent", pgh_obj_id=version.pk), *_events("ratecardevent", version_id=version.pk)]
    rows.sort(key=lambda row: (row["pgh_created_at"], row["pgh_id"]))
    state: State = {}
    # The database's now() is that of the transaction, so that rows written together have one time.
    for at, together in groupby(rows, key=lambda row: row["pgh_created_at"]):
        before, events = dict(state), list(together)
        for event in events:
            _apply(state, event)
        if changes := tuple(_changes(before, state)):
            context = events[0]["pgh_context"] or {}
            yield Edit(at, str(context.get("name", "")), str(context.get("address", "")), changes)


def _events(model: str, **which: object) -> Iterator[dict[str, Any]]:
    """Yield the events of a table; `row` is what they hold of the row itself."""
    table: type[models.Model] = apps.get_model("billing", model)
    for event in table._default_manager.filter(**which).order_by("pgh_id"):
        facts = {field.name: field.value_from_object(event) for field in table._meta.concrete_fields}
        own = {name: value for name, value in facts.items() if not name.startswith("pgh_")}
        marks = {name: value for name, value in facts.items() if name.startswith("pgh_")}
        yield {**marks, "subject": str(own.get("key", "version")), "row": own}


def _apply(state: State, event: Mapping[str, Any]) -> None:
    if event["pgh_label"] == REMOVED:
        state.pop(event["subject"], None)
    else:
        state[event["subject"]] = {name: value for name, value in event["row"].items() if name not in _ASIDE}


def _changes(before: State, after: State) -> Iterator[Change]:
    for subject in sorted(before.keys() | after.keys(), key=lambda one: (one != "version", one)):
        old, new = before.get(subject, {}), after.get(subject, {})
        for field in _fields(old, new):
            if old.get(field) != new.get(field) and not _both_empty(old.get(field), new.get(field)):
                yield Change(subject, field, old.get(field), new.get(field))


def _fields(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterable[str]:
    return dict.fromkeys([*old, *new])


def _both_empty(old: object, new: object) -> bool:
    return old in _EMPTY and new in _EMPTY
