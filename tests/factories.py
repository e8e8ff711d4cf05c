"""The smallest valid rows, and a device that signs; the cast is acme (ours), rival (another) and stranger (no key)."""

from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agents import devices, keys
from agents.models import Customer
from agents.models.keys import Environment, Scope
from runtime.wire import BATCH_HEADER, SIGNATURE_HEADER, BatchHeader, canonical, genesis, link, sign, to_base64url

NOW = datetime(2026, 11, 15, 12, tzinfo=UTC)


def customer(key="acme", **values):
    return Customer.objects.create(
        **{
            "key": key,
            "name": key.title(),
            "email": f"billing@{key}.example",
            "address": "1 Main Street",
            "country": "DE",
            "currency": "EUR",
            "created_at": NOW,
        }
        | values
    )


def api_key(owner, environment=Environment.LIVE, scopes=tuple(Scope)):
    """Return the secret of a fresh key."""
    _, secret = keys.create(customer=owner, name="test", environment=environment, scopes=scopes, now=NOW)
    return secret


class SigningDevice:
    """A device outside the service: it keeps its key, its sequence and the head of its chain."""

    def __init__(self, key="edge-1", epoch=1):
        self.key, self.epoch = key, epoch
        self.private_key = Ed25519PrivateKey.generate()
        self.sequence, self.head = 0, genesis(device=key, epoch=epoch)

    def enrol(self, owner):
        public = self.private_key.public_key().public_bytes_raw()
        return devices.enrol(customer=owner, key=self.key, public_key=public, epoch=self.epoch, now=NOW)

    def clone(self):
        other = SigningDevice(self.key, self.epoch)
        other.private_key, other.sequence, other.head = self.private_key, self.sequence, self.head
        return other

    def event(self, event_id, kind="io.agentmeter.turn.completed.v1", time="2026-11-15T11:00:00.000000Z", **data):
        return {
            "specversion": "1.0",
            "id": event_id,
            "source": f"urn:agentmeter:device:{self.key}",
            "type": kind,
            "subject": "agent-1",
            "time": time,
            "datacontenttype": "application/json",
            "data": {"turn": event_id, "task": "t", "outcome": "answered", "agent": "agent-1"} | data,
        }

    def batch(self, *events):
        """Return body and headers of a signed request; the chain moves on."""
        first, previous, chained = self.sequence + 1, self.head, []
        for event in events:
            self.sequence += 1
            chained.append(event | {"sequence": str(self.sequence)})
            self.head = link(self.head, chained[-1])
        header = BatchHeader(
            device=self.key,
            epoch=self.epoch,
            first=first,
            last=self.sequence,
            previous=previous.hex(),
            head=self.head.hex(),
        ).to_bytes()
        body = b"[" + b",".join(canonical(event) for event in chained) + b"]"
        return body, {BATCH_HEADER: to_base64url(header), SIGNATURE_HEADER: sign(self.private_key, header)}
