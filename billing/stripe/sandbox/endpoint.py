"""One endpoint of the API: its address, its operation, the SDK's type of its parameters, and which are modelled."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from billing.stripe.sandbox.objects import Body

PAGE = ("limit", "starting_after", "ending_before")
LIST = (*PAGE, "created")


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint. `handler` takes the call, the parsed parameters and the ids in the path."""

    method: str
    path: str
    operation: str
    handler: Callable[..., Body]
    schema: type
    modelled: frozenset[str]

    def match(self, *, method: str, path: str) -> dict[str, str] | None:
        """The ids in the path, by their names, or None where the route is another."""
        found = re.fullmatch(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", self.path), path) if method == self.method else None
        return None if found is None else found.groupdict()


def route(
    endpoint: str, operation: str, handler: Callable[..., Body], schema: type, modelled: Iterable[str] = ()
) -> Route:
    """A route; `endpoint` is the method and the path under /v1/."""
    method, path = endpoint.split(" ")
    return Route(method, f"/v1/{path}", operation, handler, schema, frozenset(modelled))
