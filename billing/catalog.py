"""The catalogue: plans come in as documents, are checked, and are frozen when published."""

import tomllib
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from django.db import transaction

from billing import offers
from billing.errors import PlanDocumentError, PlanNotPublishedError, PlanVersionConflictError
from billing.models import Plan, PlanVersion, RateCard
from billing.models.catalog import VersionStatus
from billing.offers import Offer
from billing.rating import prices
from billing.rating.charges import Card
from metering import usage

PLANS: Final = Path(__file__).parent / "plans"


def shipped() -> Iterator[Mapping[str, Any]]:
    """Yield the documents of the plans that come with the product."""
    for path in sorted(PLANS.glob("*.toml")):
        yield read(path=path)


def read(*, path: Path) -> Mapping[str, Any]:
    """Return the plan document in a TOML file. Raises PlanDocumentError where it is no TOML, OSError."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PlanDocumentError(path.name, str(error)) from None


@transaction.atomic
def import_plan(*, document: Mapping[str, Any], now: datetime) -> PlanVersion:
    """Keep a plan document as a draft version, and return the version that holds its content.

    The same document again gives the same version. A draft is replaced by a document with its number; a published one
    never is. The plan's name and description are those of the last document.
    Raises PlanDocumentError and PriceError naming the field, PlanVersionConflictError.
    """
    offer = offers.parse(document=document, meters={meter.key: meter.dimensions for meter in usage.meters()})
    plan, _ = Plan.objects.update_or_create(
        key=offer.plan, defaults={"name": offer.name, "description": offer.description}
    )
    fields = {"currency": offer.currency, "interval": offer.interval}
    PlanVersion.objects.get_or_create(plan=plan, number=offer.number, defaults={**fields, "created_at": now})
    version = PlanVersion.objects.select_for_update().get(plan=plan, number=offer.number)
    if _content_of(version) == (offer.currency, offer.interval, offer.cards):
        return version
    if version.status != VersionStatus.DRAFT:
        raise PlanVersionConflictError(
            f"Version {offer.number} of {offer.plan} is {version.status} with other content; number this one anew."
        )
    _replace(version, offer)
    return version


@transaction.atomic
def publish(*, version: PlanVersion, now: datetime) -> PlanVersion:
    """Freeze a draft, so that it can be subscribed to; a published version stays as it is.

    Raises PlanNotPublishedError for an archived version.
    """
    draft = PlanVersion.objects.filter(pk=version.pk, status=VersionStatus.DRAFT)
    draft.update(status=VersionStatus.PUBLISHED, published_at=now)
    version.refresh_from_db()
    if version.status != VersionStatus.PUBLISHED:
        raise PlanNotPublishedError(f"{version} cannot be published again.")
    return version


def cards_of(version: PlanVersion) -> tuple[Card, ...]:
    """Return the rate cards of a version as values, in the order of the invoice's lines."""
    return tuple(card_of(row) for row in version.rate_cards.order_by("position"))


def card_of(row: RateCard) -> Card:
    """Return a stored rate card as a value. Raises PriceError where its price cannot be read."""
    return Card(
        key=row.key,
        name=row.name,
        unit=row.unit,
        price=prices.parse(row.price),
        meter=row.meter,
        filters=row.filters,
        divide_by=row.divide_by,
        per_period=row.per_period,
        rounding=row.rounding,
        allowance=row.allowance,
        prorated=row.prorated,
    )


def _content_of(version: PlanVersion) -> tuple[str, str, tuple[Card, ...]]:
    return version.currency, version.interval, cards_of(version)


def _replace(version: PlanVersion, offer: Offer) -> None:
    version.rate_cards.all().delete()
    version.currency, version.interval = offer.currency, offer.interval
    version.save(update_fields=["currency", "interval"])
    RateCard.objects.bulk_create(_row_of(version, position, card) for position, card in enumerate(offer.cards, start=1))


def _row_of(version: PlanVersion, position: int, card: Card) -> RateCard:
    return RateCard(
        version=version,
        position=position,
        key=card.key,
        name=card.name,
        meter=card.meter,
        filters=dict(card.filters),
        unit=card.unit,
        divide_by=card.divide_by,
        per_period=card.per_period,
        rounding=card.rounding,
        allowance=card.allowance,
        price=prices.document_of(card.price),
        prorated=card.prorated,
    )
