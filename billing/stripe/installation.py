"""The name of this database among all that share a Stripe account: without it two would meet in each other's keys."""

import secrets
from typing import Final

from billing.models import Installation

_BYTES: Final = 5


def token() -> str:
    """Return the installation's name, made on first use: whoever inserts first has named it, all others read it."""
    found = Installation.objects.filter(pk=1).values_list("token", flat=True).first()
    if found is not None:
        return found
    Installation.objects.bulk_create([Installation(token=secrets.token_hex(_BYTES))], ignore_conflicts=True)
    return Installation.objects.values_list("token", flat=True).get(pk=1)
