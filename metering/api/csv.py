"""Writes usage as CSV, for spreadsheets."""

import csv
import io
from collections.abc import Mapping
from typing import Any

from rest_framework.renderers import BaseRenderer
from typing_extensions import override


class UsageCsvRenderer(BaseRenderer):
    """The rows of a usage answer, one line each: from, to, the groups, the quantity."""

    media_type = "text/csv"
    format = "csv"
    charset = "utf-8"

    @override
    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> str:
        """Return the CSV text of the answer."""
        names = data["group_by"]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow(["from", "to", *names, "quantity"])
        for row in data["rows"]:
            writer.writerow([row["from"], row["to"], *(_cell(row["group"][name]) for name in names), row["quantity"]])
        return text.getvalue()


def _cell(value: str | None) -> str:
    """Return a group's text so that no spreadsheet takes it for a formula (OWASP, CSV injection)."""
    text = value or ""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
