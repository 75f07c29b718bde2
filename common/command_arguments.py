"""Help and values of the options that several commands have."""

from argparse import ArgumentTypeError, RawDescriptionHelpFormatter
from datetime import UTC, date, datetime

from django.core.management.base import DjangoHelpFormatter
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime


class HelpFormatter(DjangoHelpFormatter, RawDescriptionHelpFormatter):
    """Django's order of the options, with the explanation's own line breaks."""


def moment(text: str) -> datetime | date:
    """Return a date, or a time with its offset (UTC without one)."""
    try:
        found = parse_date(text) or parse_datetime(text)
    except ValueError:
        found = None
    if found is None or not 2000 <= found.year <= 2100:
        raise ArgumentTypeError(f"{text!r} is no date (2026-11-23) or ISO 8601 time (2026-11-23T06:00:00Z) of 2000 to 2100.")
    return found.replace(tzinfo=UTC) if isinstance(found, datetime) and timezone.is_naive(found) else found
