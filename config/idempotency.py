"""Gives every writing request under /v1/ that carries an Idempotency-Key its one effect."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from django.http import HttpRequest, HttpResponse

from agents import auth, idempotency
from agents.api.bodies import MAX_BYTES
from agents.errors import AgentsError, InvalidKeyError, RequestTooLargeError
from agents.idempotency import Answer
from config.errors import problem

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotency-Replayed"
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
# Each event and span is counted once anyway; a billing portal's address opens a customer's cards, and is never kept.
_PASSED_ON: Final = frozenset({"/v1/events", "/v1/traces", "/v1/billing-portal-session"})


class IdempotencyMiddleware:
    """Answers a repeated request with what the first was answered, and says so in a header."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on, once."""
        header = request.headers.get(HEADER)
        if header is None or not _is_writing(request):
            return self.get_response(request)
        now = datetime.now(UTC)
        try:
            caller = auth.caller(request, now=now)
        except InvalidKeyError:
            return self.get_response(request)  # which asks for a key in its own words
        try:
            answer = idempotency.run(
                customer_id=caller.customer_id,
                key=idempotency.read_key(header),
                method=request.method or "",
                path=request.get_full_path(),
                body=_body(request),
                now=now,
                perform=lambda: _answer(self.get_response(request)),
            )
        except AgentsError as error:
            return problem(error)
        return _response(answer)


def _is_writing(request: HttpRequest) -> bool:
    return request.method not in _READING and request.path.startswith("/v1/") and request.path not in _PASSED_ON


def _body(request: HttpRequest) -> bytes:
    if int(request.headers.get("Content-Length") or 0) > MAX_BYTES:
        raise RequestTooLargeError(f"A request holds at most {MAX_BYTES} bytes.")
    return request.body


def _answer(response: HttpResponse) -> Answer:
    return Answer(status=response.status_code, headers=dict(response.headers), content=response.content)


def _response(answer: Answer) -> HttpResponse:
    replayed = {REPLAYED: "true"} if answer.is_repeated else {}
    return HttpResponse(answer.content, status=answer.status, headers={**answer.headers, **replayed})
