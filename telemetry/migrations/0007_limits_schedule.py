"""Limits in the schedule, every ten seconds."""

from django.db import migrations

NAME, TASK = "telemetry: check limits", "telemetry.tasks.limits_check"


def add(apps, schema_editor):
    interval, _ = apps.get_model("django_celery_beat", "IntervalSchedule").objects.get_or_create(every=10, period="seconds")
    row = {"task": TASK, "interval": interval, "expire_seconds": 10}
    apps.get_model("django_celery_beat", "PeriodicTask").objects.get_or_create(name=NAME, defaults=row)


def remove(apps, schema_editor):
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(name=NAME).delete()


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0006_limit"), ("django_celery_beat", "0019_alter_periodictasks_options")]
    operations = [migrations.RunPython(add, remove)]
