"""Readings and buckets. The partitioned tables are made in SQL; the partitions of each day and month come later, at run time."""

from django.db import migrations, models

READING = """
CREATE TABLE telemetry_reading (
    time timestamptz NOT NULL,
    energy_wh double precision,
    returned_wh double precision,
    device_id integer NOT NULL,
    power_w real NOT NULL,
    voltage_v real,
    current_a real,
    channel smallint NOT NULL,
    PRIMARY KEY (device_id, channel, time)
) PARTITION BY RANGE (time);
CREATE TABLE telemetry_reading_default PARTITION OF telemetry_reading DEFAULT;
"""
BUCKET = """
CREATE TABLE {table} (
    start timestamptz NOT NULL,
    measured_wh double precision NOT NULL,
    recovered_wh double precision NOT NULL,
    returned_wh double precision NOT NULL,
    device_id integer NOT NULL,
    covered_s real NOT NULL,
    samples integer NOT NULL,
    power_min_w real,
    power_mean_w real,
    power_max_w real,
    voltage_v real,
    current_a real,
    channel smallint NOT NULL,
    flags smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (device_id, channel, start)
) {partition};
"""
FIVE_MINUTES = (
    BUCKET.format(table="telemetry_bucket_5m", partition="PARTITION BY RANGE (start)")
    + "CREATE TABLE telemetry_bucket_5m_default PARTITION OF telemetry_bucket_5m DEFAULT;"
)
HOUR = BUCKET.format(table="telemetry_bucket_1h", partition="")


READING_FIELDS = [
    ("pk", models.CompositePrimaryKey("device_id", "channel", "time", blank=True, editable=False, primary_key=True, serialize=False)),
    ("time", models.DateTimeField()),
    ("energy_wh", models.FloatField(null=True)),
    ("returned_wh", models.FloatField(null=True)),
    ("device_id", models.IntegerField()),
    ("power_w", models.FloatField()),
    ("voltage_v", models.FloatField(null=True)),
    ("current_a", models.FloatField(null=True)),
    ("channel", models.SmallIntegerField()),
]


def bucket_fields():
    return [
        ("pk", models.CompositePrimaryKey("device_id", "channel", "start", blank=True, editable=False, primary_key=True, serialize=False)),
        ("start", models.DateTimeField()),
        ("measured_wh", models.FloatField()),
        ("recovered_wh", models.FloatField()),
        ("returned_wh", models.FloatField()),
        ("device_id", models.IntegerField()),
        ("covered_s", models.FloatField()),
        ("samples", models.IntegerField()),
        ("power_min_w", models.FloatField(null=True)),
        ("power_mean_w", models.FloatField(null=True)),
        ("power_max_w", models.FloatField(null=True)),
        ("voltage_v", models.FloatField(null=True)),
        ("current_a", models.FloatField(null=True)),
        ("channel", models.SmallIntegerField()),
        ("flags", models.SmallIntegerField(default=0)),
    ]


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.SeparateDatabaseAndState(
            [migrations.RunSQL(READING, "DROP TABLE telemetry_reading")],
            [migrations.CreateModel(name="Reading", fields=READING_FIELDS, options={"db_table": "telemetry_reading"})],
        ),
        migrations.SeparateDatabaseAndState(
            [migrations.RunSQL(FIVE_MINUTES, "DROP TABLE telemetry_bucket_5m")],
            [migrations.CreateModel(name="FiveMinutes", fields=bucket_fields(), options={"db_table": "telemetry_bucket_5m"})],
        ),
        migrations.SeparateDatabaseAndState(
            [migrations.RunSQL(HOUR, "DROP TABLE telemetry_bucket_1h")],
            [migrations.CreateModel(name="Hour", fields=bucket_fields(), options={"db_table": "telemetry_bucket_1h"})],
        ),
        migrations.CreateModel(
            name="Series",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey("device_id", "channel", blank=True, editable=False, primary_key=True, serialize=False),
                ),
                ("device_id", models.IntegerField()),
                ("channel", models.SmallIntegerField()),
                ("counter_first", models.DateTimeField(null=True)),
                ("counter_last", models.DateTimeField(null=True)),
            ],
            options={"verbose_name_plural": "series"},
        ),
        migrations.CreateModel(
            name="LateSpan",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("device_id", models.IntegerField()),
                ("channel", models.SmallIntegerField()),
                ("from_time", models.DateTimeField()),
                ("to_time", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="RollupState",
            fields=[
                ("id", models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("through", models.DateTimeField()),
            ],
            options={
                "constraints": [models.CheckConstraint(condition=models.Q(("id", 1)), name="telemetry_rollupstate_single")]
            },
        ),
    ]
