"""The catalogue: plans come in as documents, are checked, and are frozen when published."""

import tomllib
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce

from billing import offer_texts, offers, planned, shelves
from billing.documents import Table
from billing.errors import CurrencyMismatchError, PlanDocumentError, PlanNotPublishedError, PlanVersionConflictError
from billing.models import Plan, PlanVersion, RateCard
from billing.models.catalog import VersionStatus
from billing.offers import Offer
from billing.rating.card import Card
from metering import usage

PLANS: Final = Path(__file__).parent / "plans"
_VERSIONS_IN_MEMORY: Final = 1000


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


def parse(*, document: Mapping[str, Any]) -> Offer:
    """Return what a plan document offers, checked against the meters there are; nothing is stored.

    Raises PlanDocumentError and PriceError naming the field.
    """
    offer = offers.parse(document=document, meters=meters())
    _refuse_unsummable(offer)
    return offer


def meters() -> dict[str, tuple[str, ...]]:
    """Return the dimensions of each meter that a plan may name."""
    return {meter.key: tuple(meter.dimensions) for meter in usage.meters()}


def unsummable() -> frozenset[str]:
    """Return the keys of the meters whose parts do not make the whole, such as peaks and unique values."""
    return frozenset(meter.key for meter in usage.meters() if not meter.is_summable)


def _refuse_unsummable(offer: Offer) -> None:
    """Refuse to split usage whose parts do not make the whole, on any card, in any currency and in any phase."""
    whole = unsummable()
    for currency, cards in offer.cards.items():
        for at, one in enumerate(cards):
            planned.refuse_split(one, whole=whole, path=f"rate_cards[{at}].")
        of_key = {one.card.key: one for one in cards}
        for number, phase in enumerate(offer.phases):
            for key, fields in phase.cards.items():
                one = planned.changed(of_key[key], Table(fields), currency=currency, currencies=offer.currencies)
                planned.refuse_split(one, whole=whole, path=f"phases[{number}].cards.{key}.")


@transaction.atomic
def import_plan(*, document: Mapping[str, Any], now: datetime) -> PlanVersion:
    """Keep a plan document as a draft version, and return the version that holds its content.

    The same document again gives the same version. A draft is replaced by a document with its number; a published one
    never is. The plan's name and description are those of the last document.
    Raises PlanDocumentError and PriceError naming the field, PlanVersionConflictError.
    """
    offer = parse(document=document)
    plan, _ = Plan.objects.update_or_create(
        key=offer.plan, defaults={"name": offer.name, "description": offer.description}
    )
    fields = shelves.columns_of(offer)
    PlanVersion.objects.get_or_create(plan=plan, number=offer.number, defaults={**fields, "created_at": now})
    version = PlanVersion.objects.select_for_update().select_related("plan").get(plan=plan, number=offer.number)
    if shelves.offer_of(version) == offer:
        return version
    if version.status != VersionStatus.DRAFT:
        raise PlanVersionConflictError(
            f"Version {offer.number} of {offer.plan} is {version.status} with other content; number this one anew."
        )
    version.rate_cards.all().delete()
    PlanVersion.objects.filter(pk=version.pk).update(**fields)
    RateCard.objects.bulk_create(shelves.rows_of(offer, version))
    version.refresh_from_db()
    return version


@transaction.atomic
def publish(*, version: PlanVersion, now: datetime, effective_at: datetime | None = None) -> PlanVersion:
    """Freeze a draft, so that it can be subscribed to; a published version stays as it is.

    With `effective_at` nobody is put on it for a time before that. Raises PlanNotPublishedError for an archived one.
    """
    draft = PlanVersion.objects.filter(pk=version.pk, status=VersionStatus.DRAFT)
    draft.update(status=VersionStatus.PUBLISHED, published_at=now, effective_at=effective_at)
    version.refresh_from_db()
    if version.status != VersionStatus.PUBLISHED:
        raise PlanNotPublishedError(f"{version} cannot be published again.")
    return version


@transaction.atomic
def archive(*, version: PlanVersion) -> PlanVersion:
    """Take a published version off the shelf: nobody is put on it any more, and those on it stay.

    Raises PlanNotPublishedError for a draft.
    """
    published = PlanVersion.objects.filter(pk=version.pk).exclude(status=VersionStatus.DRAFT)
    if published.update(status=VersionStatus.ARCHIVED) != 1:
        raise PlanNotPublishedError(f"{version} is a draft; delete it or publish it.")
    version.refresh_from_db()
    return version


def current(*, plan: Plan, at: datetime) -> PlanVersion | None:
    """Return the version that a new customer of a plan gets at `at`: the one that became effective last."""
    since = Coalesce(F("effective_at"), F("published_at"))
    published = PlanVersion.objects.filter(plan=plan, status=VersionStatus.PUBLISHED).alias(since=since)
    return published.filter(since__lte=at).order_by("-since", "-number").first()


def offer_of(version: PlanVersion) -> Offer:
    """Return what a stored version offers; one that is frozen is read from the database once."""
    if version.status == VersionStatus.DRAFT:
        return shelves.offer_of(version)
    return _frozen_offer(version.pk, version.published_at)


def document_of(version: PlanVersion) -> dict[str, Any]:
    """Return the plan document of a stored version, as it can be imported again: under another number it is a copy."""
    return offer_texts.document_of(offer_of(version))


def cards_of(version: PlanVersion, *, currency: str | None = None) -> tuple[Card, ...]:
    """Return the rate cards of a version as values, in the order of the invoice's lines.

    In its first currency where none is given. Raises CurrencyMismatchError where it has no prices in that currency.
    """
    offer = offer_of(version)
    wanted = currency or offer.currencies[0]
    if wanted not in offer.cards:
        raise CurrencyMismatchError(f"{version} has prices in {', '.join(offer.currencies)}, not in {wanted}.")
    return tuple(one.card for one in offer.cards[wanted])


@lru_cache(maxsize=_VERSIONS_IN_MEMORY)
def _frozen_offer(version_id: int, _published_at: datetime | None) -> Offer:
    """Return the offer of a version that a trigger keeps from changing."""
    return shelves.offer_of(PlanVersion.objects.select_related("plan").get(pk=version_id))
