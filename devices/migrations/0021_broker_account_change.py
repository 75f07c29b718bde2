"""The accounts at the broker that are to change, and the task's place in the schedule, editable in the admin from then on."""

import django.utils.timezone
from django.db import migrations, models
from django.utils import timezone

NAME = "devices: update accounts at the broker"


def add(apps, schema_editor):
    model = lambda name: apps.get_model("django_celery_beat", name)._default_manager  # noqa: E731
    interval, _ = model("IntervalSchedule").get_or_create(every=60, period="seconds")
    row = {"task": "devices.tasks.broker_accounts_apply", "interval": interval, "expire_seconds": 60}
    model("PeriodicTask").get_or_create(name=NAME, defaults=row)
    model("PeriodicTasks").update_or_create(ident=1, defaults={"last_update": timezone.now()})  # a running beat looks here


def remove(apps, schema_editor):
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(name=NAME).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0020_limit_undone"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [
        migrations.CreateModel(
            name="BrokerAccountChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("hardware_id", models.CharField(max_length=255, unique=True)),
                ("asked_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={"ordering": ["asked_at"]},
        ),
        migrations.RunPython(add, remove),
    ]
