"""What tests of delivery share: a key, a way to send without sleeping, and answers of a service."""

import json

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from runtime.patience import Patience
from runtime.sender import deliver

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
HTML = (200, {"Content-Type": "text/html"}, "<html>Welcome to the hotel</html>")


class Waits:
    """Stands for sleeping: remembers how long."""

    def __init__(self):
        self.seconds = []

    def __call__(self, seconds):
        self.seconds.append(seconds)


def patience(attempts=8, waits=None, **given):
    return Patience(attempts=attempts, sleep=waits or Waits(), **given)


def send(spool, transport, **given):
    return deliver(spool=spool, private_key=KEY, transport=transport, **({"patience": patience()} | given))


def problem(status, *, headers=None, **body):
    return (status, {"Content-Type": "application/problem+json"} | (headers or {}), json.dumps(body))
