"""The Celery application: tasks of each package, and when the recurring ones run."""

import os

from celery import Celery
from celery.schedules import crontab

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("agentmeter")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.autodiscover_tasks(["billing.stripe"])
app.conf.beat_schedule = {
    "fold": {"task": "metering.tasks.fold", "schedule": 2.0},
    "make-partitions": {"task": "metering.tasks.make_partitions", "schedule": 86_400.0},
    "archive-events": {"task": "metering.tasks.archive_events", "schedule": 86_400.0},
    "fill-meters": {"task": "metering.tasks.fill_meters", "schedule": 5.0},
    "complete-traces": {"task": "agents.tasks.complete_traces", "schedule": 10.0},
    "forget-traces": {"task": "agents.tasks.forget_traces", "schedule": 3600.0},
    "forget-answers": {"task": "agents.tasks.forget_answers", "schedule": 3600.0},
    "close-periods": {"task": "billing.tasks.close_periods", "schedule": 60.0},
    "recognise-revenue": {"task": "billing.tasks.recognise_revenue", "schedule": 3600.0},
    "keep-credits": {"task": "billing.tasks.keep_credits", "schedule": 600.0},
    "dun": {"task": "billing.tasks.dun", "schedule": 600.0},
    "send-mails": {"task": "billing.tasks.send_mails", "schedule": 10.0},
    "tell-findings": {"task": "billing.tasks.tell_findings", "schedule": 10.0},
    "deliver-webhooks": {"task": "billing.tasks.deliver_webhooks", "schedule": 2.0},
    "deliver-outbox": {"task": "billing.stripe.tasks.deliver_outbox", "schedule": 2.0},
    "reconcile-books": {"task": "billing.stripe.tasks.reconcile_books", "schedule": crontab(hour="3", minute="17")},
    "apply-webhooks": {"task": "billing.stripe.tasks.apply_webhooks", "schedule": 2.0},
}
