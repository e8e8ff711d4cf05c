"""Drafts: the document of a stored version, and a copy of it to be changed."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Max

from billing import catalog
from billing.models import Plan, PlanVersion, RateCard
from billing.models.catalog import Billed, UnitRounding
from billing.rating.numbers import text_of


def document_of(version: PlanVersion) -> dict[str, Any]:
    """Return the document of a version, which `catalog.import_plan` takes back; what is left out is the default."""
    fields: dict[str, Any] = {
        "plan": version.plan.key,
        "name": version.plan.name,
        "description": version.plan.description,
        "version": version.number,
        "currencies": list(version.currencies),
        "interval": version.interval,
        "minimum": version.minimums,
        "maximum": version.maximums,
        "pools": version.pools,
        "discounts": version.discounts,
        "phases": version.phases,
        "rate_cards": [_card(row) for row in version.rate_cards.order_by("position")],
    }
    return {name: value for name, value in fields.items() if value}


@transaction.atomic
def copy(*, version: PlanVersion, now: datetime) -> PlanVersion:
    """Return a new draft with the content of a version, under the plan's next number."""
    document = document_of(version) | {"version": next_number(plan=version.plan)}
    return catalog.import_plan(document=document, now=now)


def next_number(*, plan: Plan) -> int:
    """Return the number of a plan's next version; the plan is locked until the transaction ends."""
    Plan.objects.select_for_update().get(pk=plan.pk)
    return int(plan.versions.aggregate(last=Max("number"))["last"] or 0) + 1


def _card(row: RateCard) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "key": row.key,
        "name": row.name,
        "unit": row.unit,
        "meter": row.meter,
        "filters": row.filters,
        "divide_by": _number(row.divide_by, default=1),
        "per_period": row.per_period,
        "rounding": "" if row.rounding == UnitRounding.NONE else row.rounding,
        "allowance": _number(row.allowance, default=0),
        "rollover": _number(row.rollover, default=0),
        "minimum": row.minimums,
        "maximum": row.maximums,
        "zero_rates": row.zero_rates,
        "billed": "" if row.billed == Billed.ARREARS else row.billed,
        "interval": row.interval,
        "tax_category": row.tax_category,
        "prices": row.prices,
    }
    found = {name: value for name, value in fields.items() if value}
    return found if row.prorated else found | {"prorated": False}


def _number(value: Decimal, *, default: int) -> str:
    return "" if value == default else text_of(value)
