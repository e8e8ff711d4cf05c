"""A real Chromium, and a customer with a month behind it; every page it sees is checked on the way."""

import os
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import sync_playwright

from tests import factories
from tests.portal import stage

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]
AXE = (Path(__file__).parent / "axe.min.js").read_text(encoding="utf-8")
AXE_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
TIMEOUT_MS = 15_000
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture(scope="module")
def chromium():
    if CHROMIUM is None:
        pytest.skip("NO BROWSER: install the package `chromium`, or nothing proves that the portal works in one")
    # Playwright runs an event loop in this thread, and Django refuses to touch a database under one unless told so.
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setitem(os.environ, "DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium, live_server, tmp_path):
    """Open a browser window; when the test ends, nothing it loaded may have failed or come from elsewhere."""
    windows = []

    def opened(*, width=1280, height=900, scheme="light", **options):
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            reduced_motion="reduce",
            base_url=live_server.url,
            **options,
        )
        windows.append(Window(context, host=urlsplit(live_server.url).netloc, pictures=tmp_path))
        return windows[-1]

    yield opened
    for window in windows:
        window.context.close()
    assert [fault for window in windows for fault in window.faults] == []


class Window:
    """A page that notes what goes wrong in it, and can check itself."""

    def __init__(self, context, *, host, pictures):
        self.context, self.host, self.pictures = context, host, pictures
        self.faults: list[str] = []
        context.set_default_timeout(TIMEOUT_MS)
        self.page = context.new_page()
        self.page.on("console", self._note_console)
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("request", self._note_request)
        self.page.on("response", self._note_response)

    def sign_in(self, name="olga"):
        self.page.goto("/portal/")
        self.page.get_by_label("Username").fill(name)
        self.page.get_by_label("Password").fill(stage.PASSWORD)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.get_by_role("heading", name="Overview", level=1).wait_for()

    def check(self, name):
        """The page fits its width, and axe finds nothing that keeps people out. Leaves a picture."""
        self.page.screenshot(path=self.pictures / f"{name}.png", full_page=True)
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert self.page.evaluate(wide) <= 0, f"{name} is wider than the window"
        self.page.evaluate(AXE)
        found = self.page.evaluate("rules => axe.run(document, {runOnly: rules})", AXE_RULES)
        assert found["passes"]
        violations = [(each["id"], [node["html"] for node in each["nodes"]]) for each in found["violations"]]
        assert violations == [], f"{name}: {violations}"

    def _note_console(self, message):
        if message.type in {"error", "warning"}:
            self.faults.append(f"console {message.type} on {self.page.url}: {message.text} {message.location}")

    def _note_request(self, request):
        if urlsplit(request.url).netloc != self.host:
            self.faults.append(f"request elsewhere: {request.url}")

    def _note_response(self, response):
        if response.status not in {200, 302, 304}:
            self.faults.append(f"{response.status}: {response.url}")


@pytest.fixture
def acme(committed):
    """Acme: one period invoiced and to be paid, the next one running, usage by three agents on most of its days."""
    now = datetime.now(BERLIN)
    start = (now - timedelta(days=45)).replace(hour=0, minute=0, second=0, microsecond=0)
    acme = factories.customer("acme", name="Acme Harbour", time_zone="Europe/Berlin")
    rival = factories.customer("rival", name="Rival Freight")
    stage.person("olga", acme, rival, password=stage.PASSWORD)
    stage.subscribe(acme, starts_at=start)
    _play(stage.Work(acme), start, now)
    stage.count(now)
    bill = stage.invoice(acme, now=now)
    stage.offer_payment(bill)
    return bill


def _play(work, start, now):
    work.seat("one", start)
    work.seat("two", start + timedelta(days=39, hours=9))
    for number, agent in enumerate(["crane-watch", "yard-dispatch", "gate-keeper"]):
        for day in range(number, 45, 2 + number):
            at = start + timedelta(days=day, hours=8 + number)
            turns = 1 + day * (3 - number) % 5
            work.turns(*(each for k in range(turns) if (each := at + timedelta(minutes=7 * k)) < now), agent=agent)
