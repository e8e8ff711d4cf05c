"""One call of the API as the operations see it: the state, the moment and who asked."""

from dataclasses import dataclass

from billing.stripe.sandbox.errors import ResourceMissingError
from billing.stripe.sandbox.objects import Body
from billing.stripe.sandbox.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What an operation works with; `now` is in Unix seconds, `base_url` is where the hosted pages are."""

    store: Store
    now: int
    base_url: str
    delivers: bool
    request_id: str | None = None
    idempotency_key: str | None = None
    is_tax_down: bool = False
    """A fault asked for Stripe Tax to fail in this call."""

    def fetch(self, *, kind: str, id: str, param: str | None = None) -> Body:  # noqa: A002 - Stripe's word
        """The object of that id. Raises ResourceMissingError: 404 for a path, 400 for a parameter."""
        body = self.store.find(kind=kind, id=id)
        if body is None:
            raise ResourceMissingError(kind=kind, id=id, param=param or "id", status=400 if param else 404)
        return body
