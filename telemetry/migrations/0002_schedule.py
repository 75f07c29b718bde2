"""The telemetry's place in the schedule, editable in the admin from then on."""

from django.db import migrations

TASKS = {
    "telemetry: roll up readings": ("telemetry.tasks.rollup", 5, "seconds", 10),
    "telemetry: maintain partitions": ("telemetry.tasks.partitions_maintain", 1, "hours", 3600),
}


def add(apps, schema_editor):
    interval_model = apps.get_model("django_celery_beat", "IntervalSchedule")
    task_model = apps.get_model("django_celery_beat", "PeriodicTask")
    for name, (task, every, period, expires) in TASKS.items():
        interval, _ = interval_model.objects.get_or_create(every=every, period=period)
        task_model.objects.get_or_create(name=name, defaults={"task": task, "interval": interval, "expire_seconds": expires})


def remove(apps, schema_editor):
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(name__in=TASKS).delete()


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0001_initial"), ("django_celery_beat", "0019_alter_periodictasks_options")]
    operations = [migrations.RunPython(add, remove)]
