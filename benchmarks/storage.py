"""Disk space of a reading and of a bucket, indexes included, and of a home's month.

A day of readings is stored in the order in which devices send them, because that shapes the index. Then its rows are stored in other
layouts, to see what each would save.
"""

import argparse
from datetime import UTC, datetime, timedelta

from _common import report, services
from _home import families, past

TABLES = {
    "reading": "telemetry_reading",
    "bucket of five minutes": "telemetry_bucket_5m",
    "bucket of an hour": "telemetry_bucket_1h",
}
# The rows of a table's partitions, or of the table itself, without empty partitions.
SIZES = """
SELECT sum(pg_table_size(oid)), sum(pg_indexes_size(oid)) FROM pg_class
WHERE relkind = 'r' AND reltuples > 0 AND (oid = %(table)s::regclass OR oid IN (
    SELECT inhrelid FROM pg_inherits WHERE inhparent = %(table)s::regclass))
"""
KEY = "PRIMARY KEY (device_id, channel, time)"
# The rows, and their key.
OTHER_WAYS = {
    "sorted by its key": ("SELECT * FROM telemetry_reading ORDER BY device_id, channel, time", KEY),
    "counter an integer": (
        "SELECT time, (energy_wh * 10)::int, device_id, power_w, voltage_v, current_a, channel FROM telemetry_reading",
        KEY,
    ),
    "counter an integer, V and A smallint": (
        """SELECT time, (energy_wh * 10)::int, device_id, power_w, (voltage_v * 100)::int2 AS v, (current_a * 100)::int2 AS a, channel
        FROM telemetry_reading""",
        KEY,
    ),
    "sorted, BRIN for the key": ("SELECT * FROM telemetry_reading ORDER BY device_id, channel, time", None),
    "arrays of an hour, compressed": (
        """SELECT device_id, channel, date_trunc('hour', time) AS time, array_agg(time ORDER BY time) AS times,
        array_agg(power_w ORDER BY time) AS p, array_agg(voltage_v ORDER BY time) AS v, array_agg(current_a ORDER BY time) AS a,
        array_agg(energy_wh ORDER BY time) AS e FROM telemetry_reading GROUP BY 1, 2, 3""",
        KEY,
    ),
}


def bytes_of(table: str, rows: int) -> tuple[float, float, float]:
    """Return the bytes per row: table, indexes, both."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(f"VACUUM ANALYZE {table}")
        cursor.execute(SIZES, {"table": table})
        heap, index = (float(size) for size in cursor.fetchone())
    return heap / rows, index / rows, (heap + index) / rows


def other_ways(readings: int) -> list[tuple[str, float, float, float]]:
    """Return the bytes per reading in other layouts."""
    from django.db import connection

    found = []
    for name, (rows, key) in OTHER_WAYS.items():
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS bench_other")
            cursor.execute(f"CREATE TABLE bench_other AS {rows}")
            if key:
                cursor.execute(f"ALTER TABLE bench_other ADD {key}")
            else:
                cursor.execute("CREATE INDEX ON bench_other USING brin (device_id, channel, time)")
        found.append((f"reading, {name}", *bytes_of("bench_other", readings)))
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--circuits", type=int, default=60)
    parser.add_argument("--home", type=int, default=3, help="circuits of the home whose month is calculated (%(default)s)")
    options = parser.parse_args()
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with services():
        [(_user, device_ids)] = families(1, circuits=options.circuits)
        readings = past(device_ids, midnight - timedelta(days=1), midnight)
        counts = dict(zip(TABLES, (readings, options.circuits * 288, options.circuits * 24), strict=True))
        sizes = {name: bytes_of(table, counts[name]) for name, table in TABLES.items()}
        rows = [(name, *size) for name, size in sizes.items()] + other_ways(readings)
    month = {name: 30 * options.home / options.circuits * counts[name] * sizes[name][2] / 1e6 for name in TABLES}
    facts = {f"MB a month of {options.home} circuits, {name}": size for name, size in month.items()}
    report("storage", ["bytes of a", "table", "indexes", "together"], rows, **facts)
