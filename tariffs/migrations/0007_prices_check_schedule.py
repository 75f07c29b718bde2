from django.db import migrations
from django.utils import timezone

NAME = "tariffs: look for prices that are not published"
TASK = "tariffs.tasks.prices_check"


def schedule(apps, schema_editor):
    """Look in the morning in Mexico; the row is an ordinary one, to be edited or switched off in the admin."""
    model = lambda name: apps.get_model("django_celery_beat", name)._default_manager  # noqa: E731
    daily = {"minute": "23", "hour": "14", "day_of_week": "*", "day_of_month": "*", "month_of_year": "*", "timezone": "UTC"}
    crontab = model("CrontabSchedule").filter(**daily).first() or model("CrontabSchedule").create(**daily)
    model("PeriodicTask").get_or_create(name=NAME, defaults={"task": TASK, "crontab": crontab})
    model("PeriodicTasks").update_or_create(ident=1, defaults={"last_update": timezone.now()})  # a running beat looks here


def unschedule(apps, schema_editor):
    """Take the schedule away again."""
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(name=NAME).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("tariffs", "0006_state_schemes"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [migrations.RunPython(schedule, unschedule)]
