"""The settings, with the commands of development."""

from ecowatt.settings import *  # noqa: F403
from ecowatt.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "ecowatt.dev"]
