from django.db import migrations
from django.utils import timezone

NAME = "accounts: delete expired sessions and resets"


def schedule(apps, schema_editor):
    """Run the clean-up at night in Mexico; the row is an ordinary one, to be edited or switched off in the admin."""
    model = lambda name: apps.get_model("django_celery_beat", name)._default_manager  # noqa: E731
    at_night = {"minute": "17", "hour": "9", "day_of_week": "*", "day_of_month": "*", "month_of_year": "*", "timezone": "UTC"}
    crontab = model("CrontabSchedule").filter(**at_night).first() or model("CrontabSchedule").create(**at_night)
    model("PeriodicTask").get_or_create(name=NAME, defaults={"task": "accounts.tasks.sessions_cleanup", "crontab": crontab})
    model("PeriodicTasks").update_or_create(ident=1, defaults={"last_update": timezone.now()})  # a running beat looks here


def unschedule(apps, schema_editor):
    """Take the schedule away again."""
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(name=NAME).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [migrations.RunPython(schedule, unschedule)]
