#!/usr/bin/env python
"""Django's command line. Where the environment names no database or no Redis, and for `up`, `ecowatt.dev` stands behind it."""

import contextlib
import os
import sys
from collections.abc import Sequence


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ecowatt.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        with _services(sys.argv[1:]):
            execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"manage.py: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def _services(arguments: Sequence[str]) -> contextlib.AbstractContextManager[None]:
    from ecowatt.env_files import BROKER, missing_services, read_environment

    read_environment()
    if arguments and arguments[0] not in {"up", "help"} and set(missing_services()) <= {BROKER}:
        return contextlib.nullcontext()
    from ecowatt.dev.command_services import command_services

    os.environ["DJANGO_SETTINGS_MODULE"] = "ecowatt.dev.settings"
    return command_services(arguments)


if __name__ == "__main__":
    main()
