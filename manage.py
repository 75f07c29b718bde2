#!/usr/bin/env python
"""Django's command line, with the embedded services behind it where the environment names none."""

import os
import sys


def main() -> None:
    """Run a management command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ecowatt.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    from ecowatt.dev.embedded_services import EmbeddedError
    from ecowatt.dev.provided_services import provided_services

    try:
        with provided_services(sys.argv[1:]):
            execute_from_command_line(sys.argv)
    except (EmbeddedError, ImproperlyConfigured) as error:
        sys.exit(f"manage.py: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
