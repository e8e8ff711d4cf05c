"""Why a paper cannot be made.

BillingError
└── PaperError
    └── PdfUnavailableError         this machine lacks the libraries that lay text out
"""

from billing.errors import BillingError


class PaperError(BillingError):
    """A paper cannot be made."""


class PdfUnavailableError(PaperError):
    """This machine lacks the libraries that lay text out; the message says what to install."""
