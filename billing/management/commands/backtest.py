"""Prices every customer's last periods on a plan version: `manage.py backtest hybrid --version 2 --periods 12`."""

from argparse import ArgumentTypeError
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from typing_extensions import override

from billing import backtest
from billing.backtest import Backtest, Outcome, Revenue
from billing.models import PlanVersion
from billing.rating.numbers import text_of


class Command(BaseCommand):
    help = (
        "Say what a plan version, draft or published, would have brought: revenue, the ten biggest winners and losers."
    )

    @override
    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)  # ours is --version

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("plan", help="key of the plan")
        parser.add_argument("--version", dest="number", type=_above_zero, required=True)
        parser.add_argument("--periods", type=_above_zero, default=12, help="how many of each customer's last periods")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        version = PlanVersion.objects.filter(plan__key=options["plan"], number=options["number"]).first()
        if version is None:
            raise CommandError(f"There is no version {options['number']} of {options['plan']}.")
        console = Console(stderr=True)
        with _bar(console) as progress:
            task = progress.add_task("customers", total=None)
            tested = backtest.backtest(
                version=version,
                periods=options["periods"],
                now=datetime.now(UTC),
                watch=lambda done, everyone: progress.update(task, completed=done, total=everyone),
            )
        out = Console(file=self.stdout, width=120, soft_wrap=True)  # type: ignore[arg-type]  # Django's wrapper writes as a file does
        for table in _tables(tested):
            out.print(table)


def _bar(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True)


def _tables(tested: Backtest) -> Iterator[Table]:
    yield _sums(tested)
    for revenue in tested.revenue.values():
        yield _people("who would pay less", revenue.winners)
        yield _people("who would pay more", revenue.losers)
    if tested.unpriced:
        table = _table(f"{tested.unpriced} customers cannot be priced", "customer", "reason")
        for outcome in tested.unpriced_first:
            table.add_row(outcome.customer.key, outcome.reason)
        yield table


def _sums(tested: Backtest) -> Table:
    title = (
        f"{tested.version.plan.key} version {tested.version.number}, {tested.periods} periods, usage fold {tested.fold}"
    )
    table = _table(title, "currency", "customers", "periods", "before", "after", "change")
    for revenue in tested.revenue.values():
        table.add_row(revenue.currency, str(revenue.customers), str(revenue.periods), *_amounts(revenue))
    return table


def _amounts(one: Revenue | Outcome) -> list[str]:
    return [text_of(money.amount) for money in (one.before, one.after, one.change)]


def _people(title: str, outcomes: tuple[Outcome, ...]) -> Table:
    table = _table(title, "customer", "periods", "before", "after", "change")
    for outcome in outcomes:
        table.add_row(outcome.customer.key, str(outcome.periods), *_amounts(outcome))
    return table


def _table(title: str, *names: str) -> Table:
    table = Table(title=title, title_justify="left")
    texts = {"currency", "customer", "reason"}
    for name in names:
        table.add_column(name, justify="left" if name in texts else "right")
    return table


def _above_zero(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is no whole number from 1")
    return int(text)
