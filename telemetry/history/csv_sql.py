"""The SQL that writes CSV lines of readings and buckets, and that stores imported buckets."""

from collections.abc import Sequence

from telemetry.columns import BUCKET_VALUES, PORTABLE_FLAGS, READING_VALUES, Flag
from telemetry.rollup.bucket_sql import IS_MEASURED, SUMS, WRITTEN, upsert

# Export: one page of one channel as CSV lines, written by the server, which prints floats so that reading them gives the same again.
# Each page is a query of its own, so that a slow download holds no transaction open: partitions could not be dropped behind it.
# Parameters by name: head (the fields before the time), device_id, channel, kind, start, end, after (where the page begins), limit, zone.
# Returns the lines, the time of the last and their number.
_EXPORT = """
SELECT string_agg(line, E'\\r\\n' ORDER BY at) || E'\\r\\n', max(at), count(*) FROM (
    SELECT {time} AS at, concat(%(head)s::text, to_char({time} AT TIME ZONE {zone}, '{form}'), {fields}) AS line
    FROM {source} WHERE {time} >= %(after)s AND {time} < %(end)s AND device_id = %(device_id)s AND channel = %(channel)s
    ORDER BY 1 LIMIT %(limit)s
) page
"""
_DAYS = f"""(
    SELECT device_id, channel, date_trunc('day', start, %(zone)s) AS start, {SUMS} FROM (
        SELECT * FROM telemetry_bucket_1h
        WHERE device_id = %(device_id)s AND channel = %(channel)s AND start >= %(start)s AND start < %(end)s ORDER BY start
    ) hour GROUP BY 1, 2, 3
) day"""


def _export(source: str, *, values: Sequence[str], time: str = "start", form: str, zone: str = "'UTC'") -> str:
    # The mark of an imported bucket belongs to this installation alone, so it is left out.
    expressions = {"flags": f"flags & {PORTABLE_FLAGS}", "kind": "%(kind)s::text"}
    fields = ", ".join(f"',', {expressions.get(name, name)}" for name in values)
    return _EXPORT.format(source=source, time=time, zone=zone, form=form, fields=fields)


EXPORTS = {
    "raw": _export(
        "telemetry_reading", values=[*READING_VALUES.names, "kind"], time="time", form='YYYY-MM-DD"T"HH24:MI:SS.US"Z"'
    ),
    "5m": _export("telemetry_bucket_5m", values=BUCKET_VALUES.names, form='YYYY-MM-DD"T"HH24:MI:SS"Z"'),
    "1h": _export("telemetry_bucket_1h", values=BUCKET_VALUES.names, form='YYYY-MM-DD"T"HH24:MI:SS"Z"'),
    "1d": _export(_DAYS, values=BUCKET_VALUES.names, form="YYYY-MM-DD", zone="%(zone)s"),
}

# Import of buckets: each is new, or replaces an imported one that differs; a measured one stays. Parameters: a list for each column
# of WRITTEN. Returns how many stood there as measured and as imported, and what was written: device, channel, start.
_IMPORT = f"""
WITH input AS MATERIALIZED (
    SELECT * FROM {WRITTEN.unnest("i")}
), stood AS (
    SELECT b.{IS_MEASURED} AS measured FROM input i JOIN {{table}} b USING (device_id, channel, start)
), series AS (
    INSERT INTO telemetry_series (device_id, channel) SELECT DISTINCT device_id, channel FROM input ON CONFLICT DO NOTHING
), written AS (
    {{upsert}}
    RETURNING b.device_id, b.channel, b.start
)
SELECT (SELECT count(*) FROM stood WHERE measured), (SELECT count(*) FROM stood WHERE NOT measured),
    array_agg(device_id), array_agg(channel), array_agg(start) FROM written
"""
_IMPORTED = f"SELECT {WRITTEN.select(flags=f'flags | {Flag.IMPORTED}')} FROM input"
IMPORTS = {
    resolution: _IMPORT.format(table=table, upsert=upsert(table, _IMPORTED, only=f"NOT b.{IS_MEASURED}"))
    for resolution, table in (("5m", "telemetry_bucket_5m"), ("1h", "telemetry_bucket_1h"))
}
