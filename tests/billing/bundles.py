"""Bundles for tests: invoices with signed usage, opened into files, changed, and packed again."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from agents import intake
from agents.auth import Caller
from agents.devices import Signature
from billing import bundles
from billing.models import Invoice
from billing.proof import layout
from billing.proof.checking import prove
from billing.proof.report import Report
from runtime.wire import BATCH_CONTENT_TYPE, BATCH_HEADER, SIGNATURE_HEADER, canonical, format_time
from tests.factories import SigningDevice

Files = dict[str, bytes]


def pack(invoice: Invoice, archives: Any) -> bytes:
    out = io.BytesIO()
    bundles.write(invoice=invoice, out=out, archives=archives)
    return out.getvalue()


def opened(bundle: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(files: Mapping[str, bytes]) -> bytes:
    """The files as a zip, the manifest as it is."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def forged(files: Files) -> bytes:
    """The files as a zip of one who knows the format: every digest in the bundle is that of what is there now."""
    events, batches = _events_again(files[layout.EVENTS]), []
    for line in files[layout.BATCHES].splitlines():
        batch = json.loads(line)
        digests = [digest for number, digest in events[1] if number == batch["id"]]
        batch["events"] = _sha256("".join(digests).encode())
        batches.append(canonical(batch) + b"\n")
    files = files | {layout.EVENTS: events[0], layout.BATCHES: b"".join(batches)}
    out = io.BytesIO()
    with layout.packing(out) as pack:
        for name in layout.FILES:
            pack.add(name, [files[name]])
        invoice = json.loads(files[layout.INVOICE])
        pack.seal(invoice=invoice["number"], digest=_sha256(files[layout.INVOICE]))
    return out.getvalue()


def _events_again(text: bytes) -> tuple[bytes, list[tuple[int, str]]]:
    lines, digests = [], []
    for line in text.splitlines():
        raw, _ = layout.event_of(line)
        lines.append(layout.event_line(raw))
        digests.append((json.loads(raw)["batch"], layout.event_of(lines[-1])[1]))
    return b"".join(lines), digests


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def proved(bundle: bytes) -> Report:
    return prove(io.BytesIO(bundle))


def found(bundle: bytes) -> list[tuple[str, str]]:
    """What is wrong, by kind and place."""
    return [(one.kind, one.where) for one in proved(bundle).findings]


def edited(files: Files, name: str, change: Callable[[Any], object]) -> Files:
    """The files with one of JSON changed."""
    document = json.loads(files[name])
    change(document)
    return files | {name: layout.text_of(document)}


def events_edited(files: Files, change: Callable[[list[dict[str, Any]]], object]) -> Files:
    """The files with other events, each line with the digest of what it holds."""
    rows = [json.loads(layout.event_of(line)[0]) for line in files[layout.EVENTS].splitlines()]
    change(rows)
    lines = [layout.event_line(json.dumps(row, separators=(",", ":"), ensure_ascii=False).encode()) for row in rows]
    return files | {layout.EVENTS: b"".join(lines)}


def batches_edited(files: Files, change: Callable[[list[dict[str, Any]]], object]) -> Files:
    """The files with other batches."""
    rows = [json.loads(line) for line in files[layout.BATCHES].splitlines()]
    change(rows)
    return files | {layout.BATCHES: b"".join(canonical(row) + b"\n" for row in rows)}


def deliver(customer, device: SigningDevice, at, *names: str, boot: bool = True, **data: Any) -> None:
    """Send turns that a device signed, one a minute from `at` on, as the runtime writes them."""
    events = []
    for number, name in enumerate(names):
        moment = {"bootid": "boot-1", "boottime": str(10**9 * (number + 1))} if boot else {}
        time = format_time(at + timedelta(minutes=number))
        events.append(device.event(name, time=time, **data) | moment)
    body, headers = device.batch(*events)
    intake.receive(
        caller=Caller(key_id=1, customer_id=customer.pk, environment="production", scopes=frozenset()),
        body=body,
        content_type=BATCH_CONTENT_TYPE,
        signature=Signature(headers[BATCH_HEADER], headers[SIGNATURE_HEADER]),
        received_at=at + timedelta(hours=1),
    )
