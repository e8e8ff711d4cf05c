"""Seals: what a signed batch held beyond what is stored of its events, so that its chain can be checked again."""

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from metering.models import Seal

Differences = Sequence[Sequence[object]]


def keep(*, batch_id: int, public_key: bytes, rest: Differences) -> None:
    """Keep how the signature over a batch can be checked, once, in the transaction that recorded the batch.

    `rest` has an entry for each sequence of the signed run, in order: `runtime.wire.difference` between the signed
    event and what is presumed of the stored one; of an event that was not stored, all of it.
    """
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    Seal.objects.create(batch_id=batch_id, public_key=public_key, rest=zlib.compress(text.encode(), 6))


def rest_of(seal: Seal) -> list[Any]:
    """Return what `keep` was given."""
    found: list[Any] = json.loads(zlib.decompress(bytes(seal.rest)))
    return found


def by_batch(*, batch_ids: Sequence[int]) -> Mapping[int, Seal]:
    """Return the seals of some batches; one that no device signed has none."""
    return Seal.objects.in_bulk(batch_ids)
