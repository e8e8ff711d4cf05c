"""What the pages of this package have in common: rows are read, not edited, and resolved for a reason."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TypeVar

from django.contrib import messages
from django.db.models import Model
from django.http import HttpRequest

from agents.errors import AgentsError

Row = TypeVar("Row", bound=Model)


class ReadOnly:
    """Mixin: seen, not edited."""

    def has_add_permission(self, request: HttpRequest, *_: object) -> bool:
        """Never."""
        del request
        return False

    def has_change_permission(self, request: HttpRequest, *_: object) -> bool:
        """Never."""
        del request
        return False

    def has_delete_permission(self, request: HttpRequest, *_: object) -> bool:
        """Never."""
        del request
        return False


class Resolving:
    """Mixin: a list whose rows a person closes, each by itself, for a reason typed beside the choice of what to do."""

    def has_resolve_permission(self, request: HttpRequest) -> bool:
        """Whether this person may close what waits."""
        return request.user.has_perms(["agents.change_trace", "agents.change_devicefinding"])

    def close(
        self, request: HttpRequest, rows: Iterable[Row], act: Callable[[Row, str, str, datetime], str | None]
    ) -> None:
        """Do `act` with each row, the actor, the reason and the time; it returns what is left to do, if anything."""
        reason, actor, now = request.POST.get("reason", ""), f"user:{request.user.get_username()}", datetime.now(UTC)
        for row in rows:
            try:
                left = act(row, actor, reason, now)
            except (ValueError, AgentsError) as error:
                messages.error(request, f"{row}: {error}")
            else:
                messages.add_message(
                    request, messages.WARNING if left else messages.SUCCESS, f"{row}: {left or 'closed'}."
                )
