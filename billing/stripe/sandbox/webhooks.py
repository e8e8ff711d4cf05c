"""Delivers events to the one configured endpoint: signed, again until answered 2xx, also after a restart."""

import http.client
import ipaddress
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from billing.stripe.sandbox.disorder import Disorder, DisorderKind, Plan, Post, posts
from billing.stripe.sandbox.errors import ConfigurationError
from billing.stripe.sandbox.store import Store

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 12
"""With the waits doubling from half a second to a minute, about five minutes; a restart begins anew."""
FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 60.0
ANSWER_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where events go. Only this machine: the sandbox must never post made-up payments to anybody's service."""

    url: str
    secret: str

    def __post_init__(self) -> None:
        """Raises ConfigurationError unless the URL is http on a loopback address and there is a secret."""
        parts = urlsplit(self.url)
        if parts.scheme != "http" or not is_loopback(host=parts.hostname or ""):
            message = f"The webhook URL must be http on this machine (127.0.0.1, ::1 or localhost), not {self.url}"
            raise ConfigurationError(message)
        if not self.secret:
            raise ConfigurationError("A webhook URL needs a webhook secret to sign with.")


def is_loopback(*, host: str) -> bool:
    """Whether the host names this machine without asking any name server."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Deliverer:
    """A thread that posts what is owed; `clock` gives the Unix seconds to sign with, `disorder` what goes wrong."""

    def __init__(
        self,
        *,
        store: Store,
        endpoint: Endpoint,
        clock: Callable[[], int],
        disorder: Disorder,
        first_wait: float = FIRST_WAIT_SECONDS,
    ) -> None:
        self._store = store
        self._endpoint = endpoint
        self._clock = clock
        self._disorder = disorder
        self._first_wait = first_wait
        self._due: dict[str, float] = {}  # when to try an event again, by the monotonic clock
        self._delayed: dict[str, int] = {}  # from when on an event may be tried, by the sandbox's clock
        self._overtaken: set[str] = set()  # what waits until another event was delivered
        self._struck: set[str] = set()  # what disorder has struck already
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sandbox-webhooks", daemon=True)

    def start(self) -> None:
        """Begin with what an earlier run left undelivered."""
        with self._store.transaction():
            self._store.renew_deliveries()
        self._thread.start()

    def wake(self) -> None:
        """Say that there may be something new to deliver."""
        self._wake.set()

    def stop(self) -> None:
        """Finish the delivery under way and end."""
        self._stopping.set()
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            wait = self._deliver_due()
            self._wake.wait(timeout=wait)

    def _deliver_due(self) -> float | None:
        """Try every event that is due; how long to wait for the next, or None where nothing is left."""
        with self._store.transaction():
            owed = [(event, attempts) for event, attempts in self._store.owed_deliveries() if attempts < MAX_ATTEMPTS]
        for event, attempts in owed:
            if self._stopping.is_set():
                return None
            if self._is_due(event):
                self._try(event, attempts)
        return max(min(self._due.values()) - time.monotonic(), 0.0) if self._due else None

    def _is_due(self, event: str) -> bool:
        on_time = self._due.get(event, 0.0) <= time.monotonic() and self._delayed.get(event, 0) <= self._clock()
        return on_time and event not in self._overtaken

    def _try(self, event: str, attempts: int) -> None:
        with self._store.transaction():
            body = self._store.find(kind="event", id=event)
        if body is None:
            return
        plan = None if event in self._struck else self._disorder.take(type=body["type"])
        self._struck.add(event)
        if plan is not None and self._puts_off(event, plan):
            return
        kind = None if plan is None else plan.kind
        sent = posts(event=body, kind=kind, secret=self._endpoint.secret, now=self._clock())
        outcomes = [self._post(one) for one in sent]
        self._note(event, attempts, outcomes[-1])

    def _puts_off(self, event: str, plan: Plan) -> bool:
        """Whether the disorder is about when the event is posted, and not how."""
        match plan.kind:
            case DisorderKind.REORDER:
                self._overtaken.add(event)
            case DisorderKind.DELAY:
                self._delayed[event] = self._clock() + plan.seconds
            case DisorderKind.MISSING:
                with self._store.transaction():
                    self._store.give_up(event=event, attempts=MAX_ATTEMPTS)
            case _:
                return False
        return True

    def _note(self, event: str, attempts: int, outcome: str) -> None:
        is_delivered = outcome.startswith("2")
        with self._store.transaction():
            self._store.note_attempt(event=event, outcome=outcome, is_delivered=is_delivered)
        if is_delivered or attempts + 1 >= MAX_ATTEMPTS:
            self._due.pop(event, None)
        else:
            self._due[event] = time.monotonic() + min(self._first_wait * 2**attempts, LONGEST_WAIT_SECONDS)
        if is_delivered and self._overtaken:
            self._overtaken.clear()
            self._wake.set()
        logger.log(logging.INFO if is_delivered else logging.WARNING, "webhook %s: %s", event, outcome)

    def _post(self, post: Post) -> str:
        """The status that the endpoint answered, or what kept it from answering. Redirects are not followed."""
        parts = urlsplit(self._endpoint.url)
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": post.signature,
            "User-Agent": "Stripe/1.0 (agentmeter sandbox)",
        }
        target = parts.path or "/"
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=ANSWER_SECONDS)
        try:
            connection.request("POST", f"{target}?{parts.query}" if parts.query else target, post.payload, headers)
            return str(connection.getresponse().status)
        except (OSError, http.client.HTTPException) as error:
            return f"no answer: {type(error).__name__}"
        finally:
            connection.close()
