"""Print how many published scenarios ours equals, by group, and where ours is another: python -m tests.oracle."""

from rich.console import Console
from rich.table import Table

from tests.oracle import money, tiers, time
from tests.oracle.book import BOOK, count

MODULES = (tiers, time, money)  # importing them writes the book


def main() -> None:
    """Print both tables."""
    console = Console()
    groups = Table("group", "equal", "ours differs", title=f"{len(BOOK)} published scenarios")
    for group, (equals, others) in sorted(count(BOOK).items()):
        groups.add_row(group, str(equals), str(others or ""))
    differing = sum(1 for scenario in BOOK if scenario.convention)
    groups.add_row("all", str(len(BOOK) - differing), str(differing), style="bold")
    console.print(groups)
    conventions = Table("scenario", "published", "ours", "our convention", title="Where ours differs")
    for scenario in BOOK:
        if scenario.convention:
            conventions.add_row(
                scenario.id, ", ".join(scenario.published), ", ".join(scenario.ours), scenario.convention
            )
    console.print(conventions)


if __name__ == "__main__":
    main()
