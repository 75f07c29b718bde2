"""The roof over the apps: settings, URLs, ASGI, Celery, the admin site. It holds no domain."""

from ecowatt.celery import app as celery_app

__all__ = ["celery_app"]
