"""Writes an invoice as a small PDF: text in Courier, as many pages as the lines need."""

from collections.abc import Sequence

from billing.stripe.sandbox import currencies
from billing.stripe.sandbox.objects import Body

LINES_PER_PAGE = 48
_WIDEST = 70
_HEADER = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"


def render(*, invoice: Body, lines: Sequence[Body]) -> bytes:
    """The invoice (as the API shows it) and all its lines as the bytes of a PDF file."""
    text = _text(invoice, lines)
    pages = [text[start : start + LINES_PER_PAGE] for start in range(0, len(text), LINES_PER_PAGE)]
    return _file(_objects([_content(page) for page in pages]))


def _text(invoice: Body, lines: Sequence[Body]) -> list[str]:
    def money(amount: int) -> str:
        return currencies.format_amount(amount=amount, code=invoice["currency"])

    head = [
        f"Invoice {invoice['number']}",
        f"{invoice['account_name']} (a sandbox: no money moves)",
        f"Bill to: {invoice['customer_name'] or invoice['customer_email'] or invoice['customer']}",
        f"Status: {invoice['status']}",
        "",
    ]
    rows = [f"{money(line['amount']):>14}   {(line['description'] or 'Line')[:_WIDEST]}" for line in lines]
    foot = ["", f"{money(invoice['total']):>14}   Total", f"{money(invoice['amount_remaining']):>14}   Left to pay"]
    return [*head, *rows, *foot]


def _content(rows: Sequence[str]) -> bytes:
    body = b"\n".join(b"(" + _escape(row) + b") Tj T*" for row in rows)
    return b"BT /F1 10 Tf 15 TL 56 770 Td\n" + body + b"\nET"


def _escape(row: str) -> bytes:
    """A PDF string in WinAnsi, which has the euro sign; what it lacks becomes a question mark."""
    raw = row.encode("cp1252", errors="replace")
    return (
        raw.replace(b"\\", b"\\\\")
        .replace(b"(", b"\\(")
        .replace(b")", b"\\)")
        .replace(b"\r", b" ")
        .replace(b"\n", b" ")
    )


def _objects(contents: list[bytes]) -> list[bytes]:
    """The objects of the file in order: catalog, pages, font, then each page and its content."""
    numbers = [4 + 2 * index for index in range(len(contents))]
    kids = b" ".join(b"%d 0 R" % number for number in numbers)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, len(contents)),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Courier /Encoding /WinAnsiEncoding >>",
    ]
    for number, content in zip(numbers, contents, strict=True):
        resources = b"/Resources << /Font << /F1 3 0 R >> >>"
        box = b"/MediaBox [0 0 612 842]"
        objects.append(b"<< /Type /Page /Parent 2 0 R %s %s /Contents %d 0 R >>" % (box, resources, number + 1))
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
    return objects


def _file(objects: list[bytes]) -> bytes:
    out = bytearray(_HEADER)
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)
