"""The meters and units that every installation starts with."""

from django.db import migrations

from metering import seeds


def plant(apps, schema_editor):
    seeds.plant(meter=apps.get_model("metering", "Meter"), event_type=apps.get_model("metering", "EventType"))


class Migration(migrations.Migration):
    dependencies = [("metering", "0001_initial")]
    operations = [migrations.RunPython(plant, migrations.RunPython.noop)]
