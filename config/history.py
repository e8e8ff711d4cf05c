"""Who changed a price: requests that write in the admin carry their user to the history that triggers keep."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final

import pghistory
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, reverse
from psycopg.sql import Composable

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
Execute = Callable[[Any, Any, bool, dict[str, Any]], Any]


class HistoryMiddleware:
    """Names the user and the page to pghistory while a page of the admin changes something; it reads the session.

    Only the admin: a request that brings usage must not pay for a context that no tracked table would show.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on, within a context where it may write."""
        if request.method in SAFE or not _is_admin(request):
            return self.get_response(request)
        with _composed_apart(), pghistory.context(**_actor(request)):
            return self.get_response(request)


def _is_admin(request: HttpRequest) -> bool:
    try:
        return request.path.startswith(reverse("admin:index"))
    except NoReverseMatch:  # a site that is served without the admin
        return False


def _actor(request: HttpRequest) -> dict[str, Any]:
    """Return who asks, by key and by name: the history must be readable when the user has been renamed or removed."""
    user = request.user
    return {"user": user.pk, "name": user.get_username(), "address": request.path}


def _composed_apart() -> AbstractContextManager[None]:
    """Keep statements that are composed by psycopg from pghistory, which can only prefix texts; they read usage."""

    def run(execute: Execute, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:  # noqa: ANN401, FBT001 Django's protocol
        if not isinstance(sql, Composable):
            return execute(sql, params, many, context)
        return context["cursor"].cursor.execute(sql, params)

    return connection.execute_wrapper(run)
