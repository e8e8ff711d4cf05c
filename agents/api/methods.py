"""Which methods an address takes; another is told so as a problem, not as an empty page."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from rest_framework.exceptions import MethodNotAllowed

View = Callable[..., HttpResponse]


def allow(*methods: str) -> Callable[[View], View]:
    """Let a plain view answer these methods only; another raises MethodNotAllowed, with the Allow header."""

    def decorate(view: View) -> View:
        @wraps(view)
        def allowed(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:  # noqa: ANN401 passed on
            if request.method in methods:
                return view(request, *args, **kwargs)
            error = MethodNotAllowed(request.method or "")
            error.headers = {"Allow": ", ".join(methods)}  # type: ignore[attr-defined] # read where it is answered
            raise error

        return allowed

    return decorate
