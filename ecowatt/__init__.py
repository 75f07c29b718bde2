"""The project: settings, wiring and the embedded services. It holds no domain."""

from ecowatt.celery import app as celery_app

__all__ = ["celery_app"]
