"""The ASGI application: Django for everything but the readings' way in and the live sockets."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ecowatt.settings")
application = get_asgi_application()
