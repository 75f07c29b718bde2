import pytest
from django_celery_beat.models import PeriodicTask

from ecowatt.celery import app


@pytest.mark.django_db
def test_the_sweep_is_scheduled_every_half_minute() -> None:
    row = PeriodicTask.objects.get(task="devices.tasks.presence_sweep")
    assert (row.interval.every, row.interval.period, row.enabled) == (30, "seconds", True)
    app.loader.import_default_modules()
    assert row.task in app.tasks
