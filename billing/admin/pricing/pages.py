"""What every page of the pricing desk needs: who may see it, its frame, and the addresses of its neighbours."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.urls import reverse


def require(request: HttpRequest, permission: str) -> None:
    """Refuse who may not. Raises PermissionDenied."""
    if not request.user.has_perm(permission):
        raise PermissionDenied


def context(request: HttpRequest, title: str) -> dict[str, Any]:
    """Return what the admin's frame shows around a page."""
    return {**admin.site.each_context(request), "title": title}


def address(name: str, *args: int) -> str:
    """Return the address of a page about plan versions."""
    return reverse(f"admin:billing_planversion_{name}", args=args)
