"""The roll-up of an hour of a thousand devices, compared with a plain GROUP BY over the same readings.

Three figures: an hour from scratch, the same hour again when nothing changed, and one regular scheduled run.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from _common import report, services

PLAIN = """
SELECT device_id, channel, date_bin('5 minutes', time, 'epoch') AS bucket, count(*), min(power_w), avg(power_w), max(power_w),
    avg(voltage_v), avg(current_a), max(energy_wh) - min(energy_wh)
FROM telemetry_reading WHERE time >= %s AND time < %s GROUP BY 1, 2, 3
"""
FILL = """
INSERT INTO telemetry_reading (time, energy_wh, device_id, power_w, voltage_v, current_a, channel)
SELECT at, 1000 + device_id + extract(epoch FROM at - %(start)s) / 36.0, device_id, 100 + device_id %% 50, 127.1, 0.9, 0
FROM generate_series(%(start)s::timestamptz, %(end)s::timestamptz - interval '1 second', interval '5 seconds') AS at
CROSS JOIN generate_series(1, %(devices)s) AS device_id
"""
SERIES = "INSERT INTO telemetry_series (device_id, channel) SELECT device_id, 0 FROM generate_series(1, %s) AS device_id"


def seconds_of(work: Callable[[], object]) -> float:
    """Return how long the work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def fill(devices: int, start: datetime, end: datetime) -> int:
    """Create the hour's readings; return their number."""
    from django.db import connection
    from django.utils import timezone

    from telemetry.partitions import partitions_maintain

    with connection.cursor() as cursor:
        cursor.execute(
            "TRUNCATE telemetry_reading, telemetry_series, telemetry_bucket_5m, telemetry_bucket_1h, telemetry_latespan"
        )
        partitions_maintain(timezone.now())
        cursor.execute(FILL, {"start": start, "end": end, "devices": devices})
        count = int(cursor.rowcount)
        cursor.execute(SERIES, [devices])
        cursor.execute("VACUUM ANALYZE telemetry_reading")
    return count


def plain(start: datetime, end: datetime) -> None:
    """Aggregate the hour and fetch the result."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(PLAIN, [start, end])
        cursor.fetchall()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    start = end - timedelta(hours=1)
    with services():
        from telemetry.models import FiveMinutes, Hour, RollupState
        from telemetry.rollup.run import rollup
        from telemetry.services import rollup_rebuild

        count = fill(options.devices, start, end)
        times: dict[str, list[float]] = {"plain GROUP BY": [], "hour from nothing": [], "hour again": [], "regular run": []}
        for _ in range(options.rounds):
            times["plain GROUP BY"].append(seconds_of(lambda: plain(start, end)))
            FiveMinutes.objects.all().delete()
            Hour.objects.all().delete()
            times["hour from nothing"].append(seconds_of(lambda: rollup_rebuild(start=start, end=end)))
            times["hour again"].append(seconds_of(lambda: rollup_rebuild(start=start, end=end)))
            RollupState.objects.update_or_create(id=1, defaults={"through": end})
            times["regular run"].append(seconds_of(rollup))
    middle = {name: statistics.median(values) for name, values in times.items()}
    rows = [(name, value, count / value) for name, value in middle.items()]
    ratios = {
        f"{name.replace(' ', '_')}_ratio": value / middle["plain GROUP BY"]
        for name, value in middle.items()
        if name[:5] == "hour "
    }
    report("rollup", ["", "seconds", "readings/s"], rows, readings=count, **ratios)


if __name__ == "__main__":
    main()
