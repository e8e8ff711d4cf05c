"""Mails to customers: written in the transaction of their cause, sent afterwards, each once for its key."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from smtplib import SMTPException
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.db.models import F, QuerySet
from django.template.loader import render_to_string

from agents.models import Customer
from billing.models import Mail
from billing.models.dunning import MailState

log = structlog.get_logger(__name__)

LEASE: Final = timedelta(minutes=5)
FIRST_WAIT: Final = timedelta(minutes=1)
LONGEST_WAIT: Final = timedelta(hours=6)
MOST_ATTEMPTS: Final = 20
PATIENCE: Final = 3  # after so many failures a run leaves the rest: the server is then the trouble, not the mail


@dataclass(frozen=True, slots=True)
class Sent:
    """What a run did: mails that left, and those that will be tried again or were given up."""

    sent: int = 0
    failed: int = 0


def write(
    *, key: str, customer: Customer, subject: str, template: str, context: Mapping[str, Any], now: datetime
) -> bool:
    """Write a mail from `mail/<template>.txt` and `.html`, once for each key; False where it was written before."""
    told = {**context, "customer": customer, "seller": settings.SELLER_NAME, "subject": subject}
    row, is_new = Mail.objects.get_or_create(
        key=key,
        defaults={
            "customer": customer,
            "recipient": customer.email,
            "subject": " ".join(subject.split())[:250],
            "text": render_to_string(f"mail/{template}.txt", told).strip() + "\n",
            "html": render_to_string(f"mail/{template}.html", told),
            "created_at": now,
            "not_before": now,
        },
    )
    del row
    return is_new


def send_due(*, now: datetime, limit: int = 100) -> Sent:
    """Send the mails that are due; safe to run beside itself and to be killed at any moment.

    A worker killed after the mail server took a mail, and before it could write so, sends it again: under the same
    Message-ID, by which mail programs know the copy.
    """
    due = Mail.objects.filter(state=MailState.PENDING, not_before__lte=now).order_by("pk")
    sent = failed = 0
    for mail in due[:limit]:
        outcome = _attempt(mail, now)
        sent, failed = sent + (outcome is True), failed + (outcome is False)
        if failed == PATIENCE:
            break
    return Sent(sent=sent, failed=failed)


def _attempt(mail: Mail, now: datetime) -> bool | None:
    """Claim a mail and send it; None where another worker has it."""
    mine = Mail.objects.filter(pk=mail.pk, state=MailState.PENDING, attempts=mail.attempts, not_before__lte=now)
    if mine.update(attempts=F("attempts") + 1, not_before=now + LEASE) != 1:
        return None
    mail.attempts += 1
    try:
        _message(mail).send()
    except (OSError, SMTPException, ValueError) as error:
        _put_off(mail, f"{type(error).__name__}: {error}", now)
        return False
    _held(mail).update(state=MailState.SENT, sent_at=now, error="")
    return True


def _message(mail: Mail) -> EmailMultiAlternatives:
    message = EmailMultiAlternatives(
        subject=mail.subject,
        body=mail.text,
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[mail.recipient],
        connection=get_connection(),
        headers={"Message-ID": message_id(key=mail.key), "Auto-Submitted": "auto-generated"},
    )
    message.attach_alternative(mail.html, "text/html")
    return message


def message_id(*, key: str) -> str:
    """Return the Message-ID of a mail, which follows from its key."""
    host = urlsplit(settings.PUBLIC_URL).hostname or "localhost"
    return f"<{hashlib.sha256(key.encode()).hexdigest()[:40]}@{host}>"


def _put_off(mail: Mail, reason: str, now: datetime) -> None:
    log.warning("mail.not_sent", key=mail.key, attempt=mail.attempts, reason=reason)
    waited = min(FIRST_WAIT * (1 << min(mail.attempts - 1, 20)), LONGEST_WAIT)
    state = MailState.FAILED if mail.attempts >= MOST_ATTEMPTS else MailState.PENDING
    _held(mail).update(state=state, error=reason[:1000], not_before=now + waited)


def _held(mail: Mail) -> QuerySet[Mail]:
    """The row while this attempt holds it."""
    return Mail.objects.filter(pk=mail.pk, state=MailState.PENDING, attempts=mail.attempts)
