"""Takes plan documents into the catalogue: `manage.py import_plan plan.toml --publish --by anna --published-by boris`.

What is published was proposed by one person and approved by another, here as in the admin. Only where there are no
staff users yet, on a first installation, is a document published without them; the history says so.
"""

import getpass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pghistory
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from typing_extensions import override

from billing import approvals, catalog
from billing.errors import PlanError
from billing.models import PlanVersion
from billing.models.catalog import VersionStatus

ADDRESS = "manage.py import_plan"
FIRST = f"{ADDRESS} --publish, before there were staff users"
PERMISSION = "billing.change_planversion"
People = tuple[User, User]


class Command(BaseCommand):
    help = (
        "Check plan documents (TOML) and keep each as a draft version; the plans that are shipped where none is named."
    )

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="*", type=Path)
        parser.add_argument(
            "--publish", action="store_true", help="freeze the versions, so that customers can have them"
        )
        parser.add_argument("--by", metavar="USER", help="the staff user who proposes what is published")
        parser.add_argument("--published-by", metavar="USER", help="the staff user, another one, who publishes it")
        parser.add_argument("--reason", default="Imported on the server", help="why it is published")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        people = _people(options) if options["publish"] else None
        is_first = options["publish"] and people is None
        # In the history of prices: who was on the server, and by which command.
        with pghistory.context(name=getpass.getuser(), address=FIRST if is_first else ADDRESS):
            for path in options["files"] or sorted(catalog.PLANS.glob("*.toml")):
                try:
                    version = self._take(path, options, people)
                except (PlanError, OSError) as error:
                    raise CommandError(f"{path}: {error}") from error
                self.stdout.write(f"{version.plan.key} version {version.number}: {version.status}")

    @transaction.atomic
    def _take(self, path: Path, options: dict[str, Any], people: People | None) -> PlanVersion:
        """Import one document, all or nothing; what is refused publication is not kept as a draft either."""
        now = datetime.now(UTC)
        version = catalog.import_plan(document=catalog.read(path=path), now=now)
        if not options["publish"]:
            return version
        if people is None or version.status != VersionStatus.DRAFT:
            return catalog.publish(version=version, now=now)
        proposer, approver = people
        approval = approvals.propose(version=version, proposer=proposer, reason=options["reason"], now=now)
        return approvals.approve(approval=approval, approver=approver, answer=options["reason"], now=now)


def _people(options: dict[str, Any]) -> People | None:
    """Return who proposes and who publishes; None where nobody could. Raises CommandError naming the option."""
    if not User.objects.filter(is_staff=True, is_active=True).exists():
        return None
    proposer, approver = (_person(name, options[name]) for name in ("by", "published_by"))
    if proposer == approver:
        raise CommandError("--published-by: a second person publishes what the first one proposed.")
    return proposer, approver


def _person(option: str, name: str | None) -> User:
    flag = f"--{option.replace('_', '-')}"
    if name is None:
        raise CommandError(f"{flag}: prices are published by two people; name a staff user.")
    found = User.objects.filter(username=name, is_staff=True, is_active=True).first()
    if found is None or not found.has_perm(PERMISSION):
        raise CommandError(f"{flag}: {name} is no staff user who may publish prices.")
    return found
