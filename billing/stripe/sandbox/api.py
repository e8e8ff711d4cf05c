"""The path of one API request: who asks, for what, with which parameters, whether it was answered before."""

import base64
import binascii
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from billing.stripe.sandbox import conformance, expansion, forms, routes, validation
from billing.stripe.sandbox.calls import Call
from billing.stripe.sandbox.endpoint import Route
from billing.stripe.sandbox.errors import (
    ApiError,
    AuthenticationError,
    ConnectionDroppedError,
    IdempotencyKeyInUseError,
    IdempotencyMismatchError,
    InternalError,
    InvalidParameterError,
    InvalidRequestError,
    RateLimitError,
    UnrecognizedUrlError,
)
from billing.stripe.sandbox.faults import Fault, FaultKind, Faults
from billing.stripe.sandbox.objects import API_VERSION, Body, new_id
from billing.stripe.sandbox.store import Store, StoredAnswer

KEEP_ANSWERS_SECONDS = 86_400
"""Stripe may forget an idempotency key after a day, and then carries the request out again; so does the sandbox."""
MAX_KEY_LENGTH = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What came in over HTTP; header names are in lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes out."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A request that was understood: which operation, on which ids, with which parameters, under which key."""

    route: Route
    ids: dict[str, str]
    params: Body
    key: str | None
    fingerprint: str


class Api:
    """Answers API requests; `clock` gives Unix seconds, `hold` waits that many seconds for a slow fault."""

    def __init__(
        self,
        *,
        store: Store,
        faults: Faults,
        api_key: str,
        clock: Callable[[], int],
        hold: Callable[[int], object],
        new_call: Callable[..., Call],
    ) -> None:
        self._store = store
        self._faults = faults
        self._api_key = api_key
        self._clock = clock
        self._hold = hold
        self._new_call = new_call
        self._keys_in_use: set[str] = set()
        self._keys_lock = threading.Lock()

    def is_idle(self) -> bool:
        """Whether no request with an idempotency key is being carried out."""
        with self._keys_lock:
            return not self._keys_in_use

    def answer(self, *, request: Request) -> Answer:
        """The answer to one request. Raises ConnectionDroppedError where a fault asks for no answer."""
        request_id = new_id(prefix="req")
        headers = {"Request-Id": request_id, "Stripe-Version": API_VERSION}
        try:
            endpoint = self._understand(request)
            fault = self._faults.take(operation=endpoint.route.operation)
            answer = self._strike_before(fault) or self._answer_once(endpoint, fault, request_id)
        except ApiError as error:
            answer = _failure(error)
        key = request.headers.get("idempotency-key")
        echoed = {"Idempotency-Key": key} if key and request.method == "POST" else {}
        return Answer(status=answer.status, body=answer.body, headers={**headers, **echoed, **answer.headers})

    def _understand(self, request: Request) -> Endpoint:
        self._authenticate(request.headers.get("authorization", ""))
        _check_version(request.headers.get("stripe-version", API_VERSION))
        found = routes.find(method=request.method, path=request.path)
        if found is None:
            message = (
                f"Unrecognized request URL ({request.method}: {request.path}); the sandbox models a part of Stripe."
            )
            raise UnrecognizedUrlError(message)
        route, ids = found
        params = validation.parse(schema=route.schema, form=_form(request), modelled=route.modelled)
        key = _idempotency_key(request)
        return Endpoint(route=route, ids=ids, params=params, key=key, fingerprint=_fingerprint(request, params))

    def _authenticate(self, header: str) -> None:
        key = _secret(header)
        if not key:
            message = "You did not provide an API key. Provide it in the Authorization header, using Bearer auth."
            raise AuthenticationError(message)
        if not hmac.compare_digest(key.encode(), self._api_key.encode()):
            raise AuthenticationError(f"Invalid API Key provided: {key[:8]}{'*' * 8}{key[-4:]}")

    def _strike_before(self, fault: Fault | None) -> Answer | None:
        """Faults that strike before anything is done."""
        if fault is None:
            return None
        if fault.kind is FaultKind.DROP_BEFORE:
            raise ConnectionDroppedError
        if fault.kind is FaultKind.RATE_LIMIT:
            return _failure(RateLimitError("Too many requests. Slow down.", code="rate_limit"), fault)
        return None

    def _answer_once(self, endpoint: Endpoint, fault: Fault | None, request_id: str) -> Answer:
        with self._in_use(endpoint.key):
            if fault is not None and fault.kind is FaultKind.SLOW:
                self._hold(fault.seconds)
            with self._store.transaction():
                answer = self._replay(endpoint) or self._execute(endpoint, fault, request_id)
        if fault is not None and fault.kind is FaultKind.DROP_AFTER:
            raise ConnectionDroppedError
        return answer

    @contextmanager
    def _in_use(self, key: str | None) -> Iterator[None]:
        """Hold the key while its request runs. Raises IdempotencyKeyInUseError where another holds it."""
        if key is None:
            yield
            return
        with self._keys_lock:
            if key in self._keys_in_use:
                message = "There is currently another in-progress request using this Idempotent Key. Try again later."
                raise IdempotencyKeyInUseError(message, code="idempotency_key_in_use")
            self._keys_in_use.add(key)
        try:
            yield
        finally:
            with self._keys_lock:
                self._keys_in_use.discard(key)

    def _replay(self, endpoint: Endpoint) -> Answer | None:
        """What the key was answered with within the last day. Raises IdempotencyMismatchError for other parameters."""
        if endpoint.key is None:
            return None
        self._store.prune_answers(until=self._clock() - KEEP_ANSWERS_SECONDS)
        stored = self._store.find_answer(key=endpoint.key)
        if stored is None:
            return None
        if stored.fingerprint != endpoint.fingerprint:
            message = (
                "Keys for idempotent requests can only be used with the same parameters they were first used with. "
            )
            message += f"Try using a key other than '{endpoint.key}' if you meant to execute a different request."
            raise IdempotencyMismatchError(message)
        return Answer(status=stored.status, body=stored.body, headers={"Idempotent-Replayed": "true"})

    def _execute(self, endpoint: Endpoint, fault: Fault | None, request_id: str) -> Answer:
        """Carry the operation out, and keep the answer under its key in the same transaction."""
        now = self._clock()
        is_tax_down = fault is not None and fault.kind is FaultKind.TAX_DOWN
        call = self._new_call(now=now, request_id=request_id, idempotency_key=endpoint.key, is_tax_down=is_tax_down)
        try:
            answer = self._operate(endpoint, call)
        except InvalidParameterError:
            raise
        except ApiError as error:
            answer = _failure(error)
        if fault is not None and fault.kind is FaultKind.ERROR_AFTER:
            answer = _failure(InternalError("An unknown error occurred."), fault)
        if endpoint.key is not None:
            stored = StoredAnswer(endpoint.fingerprint, answer.status, answer.body)
            self._store.keep_answer(key=endpoint.key, answer=stored, now=now)
        return answer

    def _operate(self, endpoint: Endpoint, call: Call) -> Answer:
        with self._store.savepoint(keeps=_keeps_changes):
            body = endpoint.route.handler(call=call, params=endpoint.params, **endpoint.ids)
            body = expansion.expand(call=call, body=body, paths=endpoint.params.get("expand", []))
            conformance.require(body=body)
        return Answer(status=200, body=_json(body))


def _keeps_changes(error: BaseException) -> bool:
    return isinstance(error, ApiError) and error.keeps_changes


def _form(request: Request) -> forms.Form:
    in_body = request.method == "POST"
    try:
        text = request.body.decode("utf-8") if in_body else request.query
    except UnicodeDecodeError as error:
        raise InvalidParameterError("Invalid form encoding: the body is not UTF-8") from error
    return forms.decode(text=text)


def _idempotency_key(request: Request) -> str | None:
    """The key of a POST; Stripe ignores it on GET and DELETE, which are idempotent anyway."""
    key = request.headers.get("idempotency-key") if request.method == "POST" else None
    if key is not None and len(key) > MAX_KEY_LENGTH:
        raise InvalidRequestError(f"Idempotency keys can have at most {MAX_KEY_LENGTH} characters.")
    return key or None


def _fingerprint(request: Request, params: Body) -> str:
    text = json.dumps([request.method, request.path, params], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _secret(header: str) -> str:
    """The secret key in an Authorization header: Bearer, or the user name of Basic."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _check_version(version: str) -> None:
    if version != API_VERSION:
        message = f"Invalid Stripe API version: {version}. The sandbox speaks {API_VERSION} only."
        raise InvalidRequestError(message)


def _failure(error: ApiError, fault: Fault | None = None) -> Answer:
    headers = {}
    if fault is not None and fault.should_retry is not None:
        headers["Stripe-Should-Retry"] = str(fault.should_retry).lower()
    return Answer(status=error.status, body=_json(error.envelope()), headers=headers)


def _json(body: Body) -> bytes:
    return json.dumps(body, indent=2).encode()
