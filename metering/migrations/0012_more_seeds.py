"""The seeds again: an installation that has the first ones gets those that were added since."""

from django.db import migrations

from metering import seeds


def plant(apps, schema_editor):
    seeds.plant(meter=apps.get_model("metering", "Meter"), event_type=apps.get_model("metering", "EventType"))


class Migration(migrations.Migration):
    dependencies = [("metering", "0011_batches_and_coverage")]
    operations = [migrations.RunPython(plant, migrations.RunPython.noop)]
