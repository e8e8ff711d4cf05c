"""What the tests act with: a clock they may move, an endpoint that receives webhooks, and the usual drafts."""

import queue
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import stripe

from billing.stripe.sandbox.server import Sandbox
from billing.stripe.sandbox.settings import Settings

API_KEY = "sk_test_sandbox"
SECRET = "whsec_sandbox"
VERSION = "2026-10-28.endive"
PATIENCE_SECONDS = 20


class Clock:
    """Unix seconds that stand still until moved."""

    def __init__(self):
        self.now = int(time.time())

    def __call__(self):
        return self.now


def open_sandbox(path: Path, **options) -> Sandbox:
    webhook_url = options.pop("webhook_url", None)
    settings = Settings(
        host="127.0.0.1",
        port=options.pop("port", 0),
        database=path,
        api_key=API_KEY,
        webhook_url=webhook_url,
        webhook_secret=SECRET,
    )
    return Sandbox(settings=settings, **options)


def connect(sandbox: Sandbox, *, key: str = API_KEY, version: str = VERSION) -> stripe.StripeClient:
    return stripe.StripeClient(
        key,
        stripe_version=version,
        max_network_retries=0,
        base_addresses={"api": sandbox.base_url},
        http_client=stripe.RequestsClient(timeout=(5, 30)),
    )


def add_customer(client, **fields):
    return client.v1.customers.create({"name": "Acme", "email": "billing@acme.example", **fields})


def with_card(token="pm_card_visa"):
    return {"payment_method": token, "invoice_settings": {"default_payment_method": token}}


def add_draft(client, customer, *amounts, **fields):
    draft = client.v1.invoices.create(
        {"customer": customer.id, "auto_advance": False, "currency": "usd", **fields},
    )
    if not amounts:
        return draft
    lines = [{"amount": amount, "description": f"Line {index}"} for index, amount in enumerate(amounts, start=1)]
    return client.v1.invoices.add_lines(draft.id, {"lines": lines})


def add_open(client, customer, *amounts, **fields):
    draft = add_draft(client, customer, *amounts, **fields)
    return client.v1.invoices.finalize_invoice(draft.id, {"auto_advance": False})


def until(condition):
    """Wait, in real time, for what the thread of deliveries does."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


def event_types(client):
    """The types of all events, oldest first."""
    return [event.type for event in client.v1.events.list({"limit": 100}).data][::-1]


@dataclass
class Receiver:
    """A webhook endpoint: keeps what it is sent and answers with the statuses given, then with 200."""

    statuses: list[int] = field(default_factory=list)
    received: queue.Queue[tuple[bytes, str]] = field(default_factory=queue.Queue)

    def __enter__(self):
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.received.put((body, self.headers["Stripe-Signature"]))
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                """Keep the test's output clean."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/webhooks/stripe"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def take(self):
        """The next delivery: its exact bytes and its signature."""
        return self.received.get(timeout=PATIENCE_SECONDS)
