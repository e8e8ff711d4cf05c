"""The anchor of comparison: what a Django developer would write first, a serializer and `bulk_create`."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

django.setup()

from django.core.handlers.wsgi import WSGIHandler
from django.db import connection, models
from django.test.utils import override_settings
from django.urls import path
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView


class TypicalEvent(models.Model):
    """A row for each event, with the keys and the index that one would give it."""

    event_id = models.CharField(max_length=200)
    source = models.CharField(max_length=200)
    type = models.CharField(max_length=200)
    subject = models.CharField(max_length=200)
    time = models.DateTimeField()
    data = models.JSONField()
    received_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "typical"
        db_table = "bench_typical"
        constraints = [models.UniqueConstraint(fields=["source", "event_id"], name="bench_typical_once")]
        indexes = [models.Index(fields=["type", "subject", "time"], name="bench_typical_by_type")]

    def __str__(self) -> str:
        return self.event_id


class EventSerializer(serializers.Serializer):
    """One CloudEvent."""

    specversion = serializers.ChoiceField(["1.0"])
    id = serializers.CharField(max_length=200)
    source = serializers.CharField(max_length=200)
    type = serializers.CharField(max_length=200)
    subject = serializers.CharField(max_length=200)
    time = serializers.DateTimeField()
    data = serializers.JSONField()


class EventsView(APIView):
    """Takes one event or a list of them."""

    authentication_classes = ()
    permission_classes = ()

    def post(self, request):
        many = isinstance(request.data, list)
        serializer = EventSerializer(data=request.data, many=many)
        serializer.is_valid(raise_exception=True)
        rows = serializer.validated_data if many else [serializer.validated_data]
        TypicalEvent.objects.bulk_create(
            [
                TypicalEvent(
                    event_id=row["id"],
                    source=row["source"],
                    type=row["type"],
                    subject=row["subject"],
                    time=row["time"],
                    data=row["data"],
                )
                for row in rows
            ],
            ignore_conflicts=True,
        )
        return Response({"received": len(rows)})


urlpatterns = [path("events", EventsView.as_view())]


def make_table() -> None:
    """Create the table anew."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS bench_typical")
    with connection.schema_editor() as editor:
        editor.create_model(TypicalEvent)


override_settings(ROOT_URLCONF="tests.bench.typical", MIDDLEWARE=["django.middleware.common.CommonMiddleware"]).enable()
application = WSGIHandler()
