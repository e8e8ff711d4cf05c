"""All endpoints of the sandbox, found by method and path."""

from billing.stripe.sandbox import invoicing_routes, payment_routes, tax_routes
from billing.stripe.sandbox.endpoint import Route

ROUTES = (*invoicing_routes.ROUTES, *payment_routes.ROUTES, *tax_routes.ROUTES)

OPERATIONS = frozenset(route.operation for route in ROUTES)


def find(*, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """The endpoint that answers, with the ids in the path, or None."""
    for route in ROUTES:
        ids = route.match(method=method, path=path)
        if ids is not None:
            return route, ids
    return None
