"""The Celery application; the schedule is kept in the database and edited in the admin."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ecowatt.settings")
app = Celery("ecowatt")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
