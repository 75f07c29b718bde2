"""Settings of the readings' path that don't go together: each check says what is wrong, then the cure."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error

from telemetry.constants import BUCKET, DEVICE_TIME_PAST

LESS_CERTAIN = "counters would be treated as less certain than power, which is the wrong way round."
ALONE = "the readings beside them would already be deleted."
HALF = "a late reading would recompute its hour from five-minute buckets that are deleted."


def settings_fit_together(app_configs: Any, **_unused: Any) -> list[CheckMessage]:
    """Return an error for each pair of settings that would make energy wrong."""
    power_gap, counter_gap = settings.TELEMETRY_POWER_GAP_SECONDS, settings.TELEMETRY_COUNTER_GAP_SECONDS
    readings, buckets = settings.TELEMETRY_RETENTION_DAYS, settings.TELEMETRY_BUCKET_RETENTION_DAYS
    width_s, trusted = BUCKET.total_seconds(), DEVICE_TIME_PAST.days
    rules = [
        (
            power_gap <= width_s,
            f"TELEMETRY_POWER_GAP_SECONDS is {power_gap}, but power can't be assumed across more than a bucket of {width_s:.0f} s.",
            f"Set it to {width_s:.0f} or less; 60 is the rule.",
        ),
        (
            counter_gap >= power_gap,
            f"TELEMETRY_COUNTER_GAP_SECONDS is {counter_gap}, below TELEMETRY_POWER_GAP_SECONDS ({power_gap}): {LESS_CERTAIN}",
            f"Set it to {power_gap} or more; 90 is the rule.",
        ),
        (
            readings > trusted,
            f"TELEMETRY_RETENTION_DAYS is {readings}, but devices may send readings that are {trusted} days old: {ALONE}",
            f"Set it to {trusted + 1} or more.",
        ),
        (
            buckets >= readings,
            f"TELEMETRY_BUCKET_RETENTION_DAYS is {buckets}, below TELEMETRY_RETENTION_DAYS ({readings}): {HALF}",
            f"Set it to {readings} or more; 397 keeps 13 months.",
        ),
    ]
    return [
        Error(message, hint=cure, id=f"telemetry.E{number:03}")
        for number, (good, message, cure) in enumerate(rules, 1)
        if not good
    ]
