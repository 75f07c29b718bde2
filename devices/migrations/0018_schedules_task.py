"""The place of the homes' schedules among the periodic tasks, editable in the admin from then on."""

from django.db import migrations
from django.utils import timezone

NAME = "devices: do what schedules are due for"


def add(apps, schema_editor):
    model = lambda name: apps.get_model("django_celery_beat", name)._default_manager  # noqa: E731
    interval, _ = model("IntervalSchedule").get_or_create(every=5, period="seconds")
    row = {"task": "devices.tasks.schedules_run", "interval": interval, "expire_seconds": 10}
    model("PeriodicTask").get_or_create(name=NAME, defaults=row)
    model("PeriodicTasks").update_or_create(ident=1, defaults={"last_update": timezone.now()})  # a running beat looks here


def remove(apps, schema_editor):
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(name=NAME).delete()


class Migration(migrations.Migration):
    dependencies = [("devices", "0017_schedule"), ("django_celery_beat", "0019_alter_periodictasks_options")]
    operations = [migrations.RunPython(add, remove)]
