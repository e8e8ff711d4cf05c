"""Papers as files: HTML for a screen, PDF by weasyprint with the fonts that lie beside this, byte for byte the same."""

from pathlib import Path
from types import ModuleType
from typing import Final

from django.template.loader import render_to_string

from billing.papers.content import Paper
from billing.papers.errors import PdfUnavailableError

FONTS: Final = Path(__file__).parent / "fonts"
# What a PDF needs beside Python packages, as Debian and macOS call it.
NEEDED: Final = (
    "A PDF needs the Pango library: apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0, or"
    " brew install pango. Invoices can be had as HTML meanwhile."
)


def html(*, paper: Paper) -> str:
    """Return a paper as one page of HTML that loads nothing."""
    return render_to_string("papers/paper.html", {"paper": paper})


def pdf(*, paper: Paper) -> bytes:
    """Return a paper as a PDF; the same bytes whenever it is asked for, with the same libraries.

    Its dates are those of issue, its identifier is the digest, its fonts are ours. Raises PdfUnavailableError.
    """
    weasyprint = _load()
    fonts = weasyprint.text.fonts.FontConfiguration()
    fetcher = weasyprint.urls.URLFetcher(allowed_protocols=["file"])  # our fonts; nothing is fetched from anywhere
    style = weasyprint.CSS(string=_faces(), font_config=fonts, url_fetcher=fetcher)
    page = weasyprint.HTML(string=html(paper=paper), url_fetcher=fetcher)
    identifier = (paper.digest or paper.number).encode()
    written: bytes = page.write_pdf(stylesheets=[style], font_config=fonts, pdf_identifier=identifier)
    return written


def _load() -> ModuleType:
    """Import the library late: it loads shared libraries of the system, which may not be there."""
    try:
        import weasyprint  # noqa: PLC0415 - see above
        import weasyprint.text.fonts  # noqa: PLC0415
        import weasyprint.urls  # noqa: PLC0415
    except OSError as error:
        raise PdfUnavailableError(NEEDED) from error
    module: ModuleType = weasyprint
    return module


def _faces() -> str:
    faces = (("DejaVuSans.ttf", "normal"), ("DejaVuSans-Bold.ttf", "bold"))
    return "\n".join(
        f"@font-face {{ font-family: 'Paper'; font-weight: {weight}; src: url('{(FONTS / name).as_uri()}'); }}"
        for name, weight in faces
    )
