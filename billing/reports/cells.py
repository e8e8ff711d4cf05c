"""Cells of a spreadsheet file, such that no text of a customer's is ever run as a formula."""

from typing import Final

# What makes a spreadsheet take a cell for a formula, or strip it until it is one (OWASP, CSV injection).
_RISKY: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


def text_cell(text: str) -> str:
    """Return a text for a cell: with an apostrophe before what would start a formula. Never for numbers."""
    return f"'{text}" if text.startswith(_RISKY) else text
