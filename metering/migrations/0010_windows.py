"""Windows at several widths, series, voids, coverage, archived meters."""

import django.contrib.postgres.fields
import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('metering', '0002_seed'),
    ]

    operations = [
        migrations.DeleteModel(name='Window'),
        migrations.CreateModel(
            name='Window',
            fields=[
                ('pk', models.CompositePrimaryKey('customer_id', 'meter_id', 'environment', 'is_total', 'width', 'starts_at', 'series_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('customer_id', models.BigIntegerField()),
                ('meter', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to='metering.meter')),
                ('environment', models.CharField(choices=[('production', 'Production'), ('test', 'Test'), ('shadow', 'Shadow')], max_length=10)),
                ('is_total', models.BooleanField()),
                ('width', models.PositiveIntegerField()),
                ('starts_at', models.DateTimeField()),
                ('series_id', models.UUIDField()),
                ('count', models.BigIntegerField()),
                ('total', models.DecimalField(decimal_places=12, max_digits=38, null=True)),
                ('minimum', models.DecimalField(decimal_places=12, max_digits=38, null=True)),
                ('maximum', models.DecimalField(decimal_places=12, max_digits=38, null=True)),
                ('weighted', models.DecimalField(decimal_places=12, help_text='For a level: the sum of each value times the seconds from its event to the end of the window.', max_digits=38, null=True)),
                ('last', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), help_text='For the latest: time, source, id and value of its last event.', null=True, size=None)),
            ],
        ),
        migrations.AddConstraint(
            model_name='window',
            constraint=models.CheckConstraint(condition=models.Q(('count__gt', 0)), name='window_counts_something'),
        ),
        migrations.AddConstraint(
            model_name='window',
            constraint=models.CheckConstraint(condition=models.Q(('maximum__gte', models.F('minimum'))), name='window_is_ordered'),
        ),
        # Windows are written again and again: room in each page keeps the new version of a row beside the old one, so that
        # no index has to change.
        migrations.RunSQL(
            'ALTER TABLE metering_window SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05)', migrations.RunSQL.noop
        ),
        migrations.CreateModel(
            name='Coverage',
            fields=[
                ('meter', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, serialize=False, to='metering.meter')),
                ('from_fold', models.BigIntegerField()),
                ('through_fold', models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name='Series',
            fields=[
                ('pk', models.CompositePrimaryKey('customer_id', 'id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('customer_id', models.BigIntegerField()),
                ('id', models.UUIDField()),
                ('environment', models.CharField(choices=[('production', 'Production'), ('test', 'Test'), ('shadow', 'Shadow')], max_length=10)),
                ('is_total', models.BooleanField()),
                ('dimensions', models.JSONField(help_text='Each dimension of the meter with its text, or null.')),
                ('member', models.TextField(help_text='The value that `unique` counts.', null=True)),
            ],
            options={
                'verbose_name_plural': 'series',
            },
        ),
        migrations.CreateModel(
            name='Void',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('customer_id', models.BigIntegerField()),
                ('source', models.TextField()),
                ('event_id', models.TextField()),
                ('place', models.SmallIntegerField(help_text='The place of the event in its batch.')),
                ('actor', models.TextField(help_text='Who said so, such as key:7 or user:ada.')),
                ('reason', models.TextField()),
                ('voided_at', models.DateTimeField()),
            ],
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='meter',
            name='definition_stands',
        ),
        migrations.AddField(
            model_name='fold',
            name='voids',
            field=models.PositiveIntegerField(db_default=0),
        ),
        migrations.AddField(
            model_name='meter',
            name='archived_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='meter',
            name='last_fold',
            field=models.BigIntegerField(blank=True, help_text='The last fold that an archived meter counts.', null=True),
        ),
        migrations.AddField(
            model_name='meter',
            name='statistic',
            field=models.CharField(choices=[('max', 'Max'), ('p95', 'P95')], default='max', help_text='Of a peak: the highest window, or the 95th percentile of all windows, empty ones included.', max_length=3),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='meter',
            trigger=pgtrigger.compiler.Trigger(name='definition_stands', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."aggregation" IS DISTINCT FROM (NEW."aggregation") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at") OR OLD."dimensions" IS DISTINCT FROM (NEW."dimensions") OR OLD."event_type" IS DISTINCT FROM (NEW."event_type") OR OLD."filters" IS DISTINCT FROM (NEW."filters") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."key" IS DISTINCT FROM (NEW."key") OR OLD."scale" IS DISTINCT FROM (NEW."scale") OR OLD."statistic" IS DISTINCT FROM (NEW."statistic") OR OLD."unit" IS DISTINCT FROM (NEW."unit") OR OLD."value_field" IS DISTINCT FROM (NEW."value_field") OR OLD."window_seconds" IS DISTINCT FROM (NEW."window_seconds"))', func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;", hash='167cfa23534c9cab333079339411112b643df245', operation='UPDATE', pgid='pgtrigger_definition_stands_517a1', table='metering_meter', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='meter',
            trigger=pgtrigger.compiler.Trigger(name='archived_once', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."archived_at" IS NOT NULL)', func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;", hash='282950c693897cc5e49ef091358db019ee5eab57', operation='UPDATE', pgid='pgtrigger_archived_once_5b90a', table='metering_meter', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='meter',
            trigger=pgtrigger.compiler.Trigger(name='keep', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;", hash='828e6208e604c6320c2fdf80612f0474c1045b3b', operation='DELETE', pgid='pgtrigger_keep_365da', table='metering_meter', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='meter',
            constraint=models.CheckConstraint(condition=models.Q(('statistic__in', ['max', 'p95'])), name='meter_statistic_is_known'),
        ),
        migrations.AddConstraint(
            model_name='meter',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('archived_at__isnull', True), ('last_fold__isnull', True)), models.Q(('archived_at__isnull', False), ('last_fold__isnull', False)), _connector='OR'), name='meter_archived_at_a_fold'),
        ),
        migrations.AddField(
            model_name='series',
            name='meter',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to='metering.meter'),
        ),
        migrations.AddField(
            model_name='void',
            name='batch',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to='metering.batch'),
        ),
        migrations.AddField(
            model_name='void',
            name='fold',
            field=models.ForeignKey(help_text='The fold that took it back; null while it waits.', null=True, on_delete=django.db.models.deletion.PROTECT, to='metering.fold'),
        ),
        migrations.AddIndex(
            model_name='void',
            index=models.Index(condition=models.Q(('fold__isnull', True)), fields=['id'], name='void_waiting'),
        ),
        migrations.AddConstraint(
            model_name='void',
            constraint=models.UniqueConstraint(fields=('customer_id', 'batch', 'place'), name='void_once'),
        ),
        migrations.AddConstraint(
            model_name='void',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('actor', ''), _negated=True), models.Q(('reason', ''), _negated=True)), name='void_is_explained'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='void',
            trigger=pgtrigger.compiler.Trigger(name='keep', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;", hash='72497a05335f28affc49d2fa9b77316aa5d0549b', operation='DELETE', pgid='pgtrigger_keep_96e49', table='metering_void', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='void',
            trigger=pgtrigger.compiler.Trigger(name='content_stands', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."actor" IS DISTINCT FROM (NEW."actor") OR OLD."batch_id" IS DISTINCT FROM (NEW."batch_id") OR OLD."customer_id" IS DISTINCT FROM (NEW."customer_id") OR OLD."event_id" IS DISTINCT FROM (NEW."event_id") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."place" IS DISTINCT FROM (NEW."place") OR OLD."reason" IS DISTINCT FROM (NEW."reason") OR OLD."source" IS DISTINCT FROM (NEW."source") OR OLD."voided_at" IS DISTINCT FROM (NEW."voided_at"))', func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;", hash='d7e33132f76ea4915ee249e675a6acb5dcaaffda', operation='UPDATE', pgid='pgtrigger_content_stands_30b68', table='metering_void', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='void',
            trigger=pgtrigger.compiler.Trigger(name='folded_once', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."fold_id" IS NOT NULL)', func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;", hash='5b527e12aa3509d1a95c811979135ddbb2ce34a0', operation='UPDATE', pgid='pgtrigger_folded_once_fa278', table='metering_void', when='BEFORE')),
        ),
    ]
