"""The proof of an invoice over HTTP: a line explained down to its events and signatures, and the bundle as a zip."""

import re
import tempfile
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from django.conf import settings
from django.http import FileResponse
from rest_framework.exceptions import NotFound, ParseError
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from typing_extensions import override

from billing import bundles, explain
from billing.api.documents import find_invoice
from billing.errors import InvoiceStateError
from billing.explain import Explained, Measured, Page, Signed, Sourced
from billing.models import Invoice
from billing.money import Money
from billing.rating.numbers import text_of
from metering.evidence import Place
from metering.usage import Usage

MOST: Final = 100
USUAL: Final = 50
_CURSOR: Final = re.compile(
    r"((?!0000)[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{6})?\+00:00)"
    r" ([0-9]{1,18}) ([0-9]{1,5})"
)


class Zip(BaseRenderer):
    """A bundle; it is written already."""

    media_type, format, charset = "application/zip", "zip", None

    @override
    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the file as it is."""
        return data


class InvoiceExplanation(APIView):
    """GET /v1/invoices/{number}/explain."""

    def get(self, request: Request, number: str) -> Response:
        """Answer how each line of an invoice came about; with `line` that one's windows and a page of its events."""
        invoice = find_invoice(request, number)
        after, limit = _cursor(request.query_params.get("cursor")), _limit(request.query_params.get("limit"))
        if "line" not in request.query_params:
            rows = [_line_of(one, invoice.currency) for one in explain.lines(invoice=invoice)]
            return Response(_head_of(invoice) | {"lines": rows})
        found = _find_line(invoice, request)
        return Response(
            _head_of(invoice) | {"line": _line_of(found, invoice.currency) | _sources_of(found, invoice, after, limit)}
        )


class InvoiceBundle(APIView):
    """GET /v1/invoices/{number}/bundle."""

    renderer_classes = (Zip,)

    def get(self, request: Request, number: str) -> FileResponse:
        """Answer a zip from which the invoice can be proved without the service: `python -m billing.proof FILE`."""
        invoice = find_invoice(request, number)
        out = tempfile.TemporaryFile()  # noqa: SIM115 - the response closes it, once it is sent
        bundles.write(invoice=invoice, out=out, archives=settings.ARCHIVE_DIR)
        out.seek(0)
        return FileResponse(out, as_attachment=True, filename=f"{number}.zip", content_type=bundles.MEDIA_TYPE)


def _find_line(invoice: Invoice, request: Request) -> Explained:
    text = request.query_params["line"]
    if not re.fullmatch("[0-9]{1,6}", text):
        raise ParseError("line: It is the position of a line.")
    try:
        return explain.line(invoice=invoice, position=int(text))
    except InvoiceStateError as error:
        raise NotFound(str(error)) from error


def _head_of(invoice: Invoice) -> dict[str, Any]:
    return {"number": invoice.number, "digest": invoice.digest, "fold": invoice.fold}


def _line_of(one: Explained, currency: str) -> dict[str, Any]:
    line = one.line
    return {
        "position": line.position,
        "kind": line.kind,
        "description": line.description,
        "quantity": text_of(line.quantity),
        "unit": line.unit,
        "amount": f"{Money(line.amount, currency).amount:f}",
        "starts_at": _instant(line.starts_at),
        "ends_at": _instant(line.ends_at),
        "tiers": line.detail,
        "measured": None if one.measured is None else _measured_of(one.measured),
    }


def _measured_of(measured: Measured) -> dict[str, Any]:
    return {
        "meter": measured.meter,
        "starts_at": _instant(measured.starts_at),
        "ends_at": _instant(measured.ends_at),
        "group_by": list(measured.group_by),
        "filters": {name: list(values) for name, values in measured.filters.items()},
        "fold": measured.as_of,
        "since_fold": measured.since,
    }


def _sources_of(one: Explained, invoice: Invoice, after: Place | None, limit: int) -> dict[str, Any]:
    if one.measured is None:
        return {"windows": [], "events": [], "next": None}
    zone = invoice.period.subscription.time_zone
    windows = explain.windows(measured=one.measured, zone=zone, archives=settings.ARCHIVE_DIR)
    page = explain.events(measured=one.measured, archives=settings.ARCHIVE_DIR, after=after, limit=limit)
    return {"windows": _windows_of(windows)} | _page_of(page)


def _windows_of(found: Usage) -> list[dict[str, Any]]:
    return [
        {
            "starts_at": _instant(row.starts_at),
            "ends_at": _instant(row.ends_at),
            "group": dict(row.group),
            "quantity": text_of(row.quantity),
        }
        for row in found.rows
    ]


def _page_of(page: Page) -> dict[str, Any]:
    following = None if page.following is None else _cursor_of(page.following)
    return {"events": [_event_of(one) for one in page.events], "next": following}


def _event_of(one: Sourced) -> dict[str, Any]:
    event, batch = one.event, one.batch
    return {
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "time": _instant(event.time),
        "data": msgspec.json.decode(event.data),
        "batch": {
            "id": batch.id,
            "place": event.place,
            "received_at": _instant(batch.received_at),
            "digest": batch.digest.hex(),
            "fold": batch.fold,
        },
        "signed": None if one.signed is None else _signed_of(one.signed),
    }


def _signed_of(signed: Signed) -> dict[str, Any]:
    return {
        "device": signed.device,
        "epoch": signed.epoch,
        "sequence": signed.sequence,
        "signature": signed.signature,
        "public_key": signed.public_key or None,
        "holds": signed.holds,
    }


def _limit(text: str | None) -> int:
    if text is None:
        return USUAL
    if not re.fullmatch("[0-9]{1,3}", text) or not 1 <= int(text) <= MOST:
        raise ParseError(f"limit: It is a number from 1 to {MOST}.")
    return int(text)


def _cursor_of(place: Place) -> str:
    text = f"{place.time.astimezone(UTC).isoformat()} {place.batch_id} {place.place}"
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _cursor(text: str | None) -> Place | None:
    if text is None:
        return None
    try:
        told = urlsafe_b64decode(f"{text}{'=' * (-len(text) % 4)}").decode()
    except ValueError:
        told = ""
    found = _CURSOR.fullmatch(told)
    at = None if found is None else _time(found[1])
    if found is None or at is None:
        raise ParseError("cursor: It is the `next` of the page before.")
    return Place(at, int(found[2]), int(found[3]))


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None  # there is no such day


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
