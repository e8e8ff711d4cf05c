"""The order of events in the demonstration: agents work, devices deliver, the period closes, invoices are paid."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urljoin

import requests
from django.conf import settings
from django.db.models import Q
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from agents import devices
from agents.models import Device
from billing.models import BillingPeriod, Invoice
from billing.models.invoices import InvoiceStatus
from billing.models.subscriptions import PeriodStatus
from billing.stripe.tasks import deliver_outbox
from billing.tasks import close_periods
from config.demo.seed import Seeded
from config.demo.stage import Stage
from metering.tasks import fold
from runtime import home

WAIT_SECONDS = 90
POLL_SECONDS = 0.1


class StoryError(Exception):
    """A step of the demonstration did not come to its end; the message says which."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What the demonstration is about: one customer and the period to be invoiced."""

    seeded: Seeded
    period: BillingPeriod


def claims(everybody: list[Seeded], *, now: datetime) -> list[Claim]:
    """Return each customer with the period that holds `now`."""
    return [
        Claim(
            seeded=seeded,
            period=BillingPeriod.objects.get(
                subscription__customer=seeded.customer, starts_at__lte=now, ends_at__gt=now
            ),
        )
        for seeded in everybody
    ]


def work(claim: Claim, stage: Stage) -> None:
    """Let one customer's agent do its tasks on its device, and deliver what the spool holds."""
    seeded, folder = claim.seeded, stage.folder / claim.seeded.part.key
    device = home.create(path=folder, device=f"{seeded.part.key}-edge-1")
    if not Device.objects.filter(customer=seeded.customer, key=device.device).exists():
        devices.enrol(
            customer=seeded.customer,
            key=device.device,
            public_key=device.public_key,
            epoch=device.epoch,
            now=datetime.now(UTC),
        )
    part = seeded.part
    _runtime(stage, "run", folder, "--tasks", str(part.tasks), "--seed", str(part.seed), "--agent", part.agent,
             "--model", part.model)  # fmt: skip
    deliver(claim, stage)


def deliver(claim: Claim, stage: Stage) -> None:
    """Send what the device's spool still holds; nothing to send is fine."""
    folder = stage.folder / claim.seeded.part.key
    if (folder / home.DEVICE_FILE).exists():
        _runtime(stage, "send", folder, key=claim.seeded.api_key)


def close(everything: list[Claim], stage: Stage, console: Console) -> list[Invoice]:
    """Fold, close, invoice, and wait until Stripe has every invoice; the domain is told that the period is over."""
    periods = [claim.period.pk for claim in everything]
    after = max(claim.period.ends_at for claim in everything) + timedelta(hours=settings.CLOSE_HOLD_HOURS)
    fold.delay()
    close_periods.delay(now=after.isoformat())
    with _progress(console, "Closing the period", total=len(periods)) as advance:
        _wait("the periods to close", lambda: advance(_closed(periods)) == len(periods), stage)
    invoices = Invoice.objects.filter(period__in=periods)
    deliver_outbox.delay(now=after.isoformat())
    with _progress(console, "Handing the invoices to Stripe", total=len(periods)) as advance:
        _wait("Stripe to have the invoices", lambda: advance(_sent(periods)) == len(periods), stage)
    return list(invoices.select_related("customer", "version__plan").order_by("customer"))


def pay(invoices: list[Invoice], stage: Stage, console: Console) -> None:
    """Pay each open invoice on Stripe's hosted page, as the customer would, and wait for the webhook to say so."""
    for invoice in invoices:
        if invoice.status == InvoiceStatus.OPEN:
            _press_pay(invoice)
    keys = [invoice.pk for invoice in invoices]
    with _progress(console, "Waiting for the payments", total=len(keys)) as advance:
        _wait("the payments", lambda: advance(_paid(keys)) == len(keys), stage)
    for invoice in invoices:
        invoice.refresh_from_db()


def _runtime(stage: Stage, command: str, folder: Path, *arguments: str, key: str = "") -> None:
    environment = dict(stage.environment) | {"AGENTMETER_URL": stage.web_url, "AGENTMETER_KEY": key}
    done = subprocess.run(
        [sys.executable, "-m", "runtime", command, "--home", str(folder), *arguments], env=environment, check=False
    )
    if done.returncode != 0:
        raise StoryError(f"`python -m runtime {command} --home {folder}` ended with {done.returncode}.")


def _press_pay(invoice: Invoice) -> None:
    page = requests.get(invoice.stripe.hosted_url, timeout=10)
    page.raise_for_status()
    requests.post(urljoin(page.url, ""), data={"card": "pm_card_visa"}, timeout=10).raise_for_status()


def _closed(periods: list[int]) -> int:
    parked = BillingPeriod.objects.filter(pk__in=periods, status=PeriodStatus.PARKED).first()
    if parked is not None:
        raise StoryError(f"Period {parked.pk} is parked: {parked.parked_reason}")
    return BillingPeriod.objects.filter(pk__in=periods, status=PeriodStatus.CLOSED).count()


def _sent(periods: list[int]) -> int:
    payable = Q(stripe__hosted_url__gt="") | Q(status=InvoiceStatus.PAID)
    return Invoice.objects.filter(payable, period__in=periods).count()


def _paid(invoices: list[int]) -> int:
    return Invoice.objects.filter(pk__in=invoices, status=InvoiceStatus.PAID).count()


def _wait(what: str, done: Callable[[], bool], stage: Stage) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not done():
        if time.monotonic() > deadline:
            raise StoryError(f"Waited {WAIT_SECONDS} s for {what}; the logs are in {stage.folder}.")
        time.sleep(POLL_SECONDS)


@contextmanager
def _progress(console: Console, title: str, *, total: int) -> Iterator[Callable[[int], int]]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
    )
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task(title, total=total)

        def advance(completed: int) -> int:
            progress.update(task, completed=completed)
            return completed

        yield advance
