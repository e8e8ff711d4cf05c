"""`manage.py demo [--once]`: the main job of the product on this machine, from a device to a paid invoice."""

import signal
from argparse import ArgumentParser
from datetime import UTC, datetime

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console

from billing.models import Invoice
from billing.models.subscriptions import PeriodStatus
from config.demo import report, seed, story
from config.demo.stage import Stage, StageError, set_up
from config.services.home import services


class Command(BaseCommand):
    help = "Run four customers' agents, meter them, invoice them and collect, on embedded servers."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="exit when the last invoice is paid")

    def handle(self, *_args: object, once: bool, **_options: object) -> None:
        console = Console()
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # both signals end it the same orderly way
        try:
            call_command("migrate", verbosity=0)
            with set_up(settings.LOCAL_DIR / "demo") as stage:
                logins = _tell(stage, console)
                report.show_way_in(console, stage, logins)
                if not once:
                    console.print("\nPress Ctrl-C to stop.")
                    signal.pause()
        except KeyboardInterrupt:
            console.print("Stopping.")
        except (StageError, story.StoryError) as error:
            raise CommandError(str(error)) from error
        finally:
            if services().started:
                services().stop()


def _tell(stage: Stage, console: Console) -> list[seed.Login]:
    now = datetime.now(UTC)
    everybody = seed.customers(now=now)
    everything = story.claims(everybody, now=now)
    before = Invoice.objects.count()
    for claim in everything:
        if claim.period.status == PeriodStatus.OPEN:
            console.rule(f"{claim.seeded.customer.name}: {claim.seeded.part.agent}")
            story.work(claim, stage)
        else:
            console.print(f"{claim.seeded.customer.name}: this period is invoiced already.")
    invoices = story.close(everything, stage, console)
    story.pay(invoices, stage, console)
    for invoice in invoices:
        report.show_invoice(console, invoice)
    console.print(f"\n{len(invoices)} invoices, all paid; {Invoice.objects.count() - before} of them made by this run.")
    return [*(seeded.login for seeded in everybody), seed.operator()]
