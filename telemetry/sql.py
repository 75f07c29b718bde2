"""The SQL of the readings' path, all of it.

Energy follows the rules of docs/telemetry.md: by counter where there is one, else by trapezoid over short gaps. Each interval between two
readings is cut at bucket edges in proportion to time, so the buckets' sum is the counter's movement whatever the order of arrival.
"""

# The registered devices among some MACs. Parameter: mac[].
DEVICES_BY_MAC = "SELECT hardware_id, id::int, is_active FROM devices_device WHERE hardware_id = ANY(%s)"

COPY_READINGS = (
    "COPY telemetry_reading (time, energy_wh, returned_wh, device_id, power_w, voltage_v, current_a, channel)"
    " FROM STDIN (FORMAT binary)"
)
COPY_TYPES = ["timestamptz", "float8", "float8", "int4", "float4", "float4", "float4", "int2"]

# Readings in one statement and one commit: store what is new, note new channels and late times. Returns how many were new.
# Parameters: device_id[], channel[], time[], power_w[], voltage_v[], current_a[], energy_wh[], returned_wh[], late_after (interval).
STORE_BY_ID = """
WITH fresh AS MATERIALIZED (
    SELECT * FROM unnest(
        %s::int[], %s::smallint[], %s::timestamptz[], %s::real[], %s::real[], %s::real[], %s::float8[], %s::float8[]
    ) AS i (device_id, channel, time, power_w, voltage_v, current_a, energy_wh, returned_wh)
), stored AS (
    INSERT INTO telemetry_reading (time, energy_wh, returned_wh, device_id, power_w, voltage_v, current_a, channel)
    SELECT time, energy_wh, nullif(returned_wh, 0), device_id, power_w, voltage_v, current_a, channel FROM fresh
    ON CONFLICT DO NOTHING
    RETURNING 1
), series AS (
    INSERT INTO telemetry_series (device_id, channel)
    SELECT DISTINCT device_id, channel FROM fresh f
    WHERE NOT EXISTS (SELECT FROM telemetry_series s WHERE s.device_id = f.device_id AND s.channel = f.channel)
    ON CONFLICT DO NOTHING
), late AS (
    INSERT INTO telemetry_latespan (device_id, channel, from_time, to_time)
    SELECT device_id, channel, min(time), max(time) FROM fresh WHERE time < now() - %s::interval GROUP BY 1, 2
)
SELECT count(*) FROM stored
"""

# The last known reading of each channel of a device. Parameter: device_id.
LAST_READINGS = """
SELECT channel, time, power_w, voltage_v, current_a FROM telemetry_series s CROSS JOIN LATERAL (
    SELECT time, power_w, voltage_v, current_a FROM telemetry_reading r
    WHERE r.device_id = s.device_id AND r.channel = s.channel ORDER BY time DESC LIMIT 1
) last WHERE s.device_id = %s ORDER BY channel
"""

# Before a roll-up: its lock, and plans that walk the primary key. A bitmap would read and sort hours of readings to find the nearest
# two, and compiling costs more than it saves. Parameter: the lock's key.
ROLLUP_SESSION = """
SELECT pg_advisory_xact_lock(%s), set_config('enable_bitmapscan', 'off', true), set_config('jit', 'off', true)
"""

# What changed since the last roll-up: for each series, the range of its readings after the mark. Parameter: the mark.
RECENT_CHANGES = """
SELECT s.device_id, s.channel, c.from_time, c.to_time FROM telemetry_series s CROSS JOIN LATERAL (
    SELECT min(time) AS from_time, max(time) AS to_time FROM telemetry_reading r
    WHERE r.device_id = s.device_id AND r.channel = s.channel AND r.time > %s
) c WHERE c.from_time IS NOT NULL
"""
TAKE_LATE_SPANS = """
WITH taken AS (
    DELETE FROM telemetry_latespan
    WHERE id IN (SELECT id FROM telemetry_latespan WHERE id <= %s ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED)
    RETURNING device_id, channel, from_time, to_time
), merged AS (
    SELECT device_id, channel, unnest(range_agg(tstzrange(from_time, to_time + interval '5 minutes'))) AS span FROM taken GROUP BY 1, 2
)
SELECT device_id, channel, lower(span), upper(span) - interval '5 minutes' FROM merged
"""

# Note where each changed series has counters. Parameters: device_id[], channel[], from[], to[] of the changes. Returns for each changed
# series (device_id, channel, counter_first, counter_last), both null where it never had a counter.
NOTE_COUNTERS = """
WITH change AS (
    SELECT c.device_id, c.channel, min(seen.first) AS first, max(seen.last) AS last
    FROM unnest(%s::int[], %s::smallint[], %s::timestamptz[], %s::timestamptz[]) AS c (device_id, channel, from_time, to_time)
    CROSS JOIN LATERAL (
        SELECT min(time) AS first, max(time) AS last FROM telemetry_reading r
        WHERE r.device_id = c.device_id AND r.channel = c.channel AND r.time BETWEEN c.from_time AND c.to_time AND r.energy_wh IS NOT NULL
    ) seen
    GROUP BY 1, 2
), noted AS (
    UPDATE telemetry_series s SET counter_first = least(s.counter_first, c.first), counter_last = greatest(s.counter_last, c.last)
    FROM change c
    WHERE s.device_id = c.device_id AND s.channel = c.channel
      AND (c.first < s.counter_first OR c.last > s.counter_last OR (s.counter_first IS NULL AND c.first IS NOT NULL))
)
SELECT s.device_id, s.channel, least(s.counter_first, c.first), greatest(s.counter_last, c.last)
FROM change c JOIN telemetry_series s ON s.device_id = c.device_id AND s.channel = c.channel
"""

# The time of the last but one reading with a counter before some times ({order} DESC, {beyond} <), or of the next but one after them
# (ASC, >); of the nearest where there is no other, null where there is none. Parameters: number[], device_id[], channel[], at[].
SECOND_COUNTERS = """
SELECT p.number, second.time FROM unnest(%s::int[], %s::int[], %s::smallint[], %s::timestamptz[]) AS p (number, device_id, channel, at)
CROSS JOIN LATERAL (
    SELECT time FROM (
        SELECT time FROM telemetry_reading r
        WHERE r.device_id = p.device_id AND r.channel = p.channel AND r.time {beyond} p.at AND r.energy_wh IS NOT NULL
        ORDER BY time {order} LIMIT 2
    ) two ORDER BY time {reverse} LIMIT 1
) second
"""
SECOND_COUNTERS_BEFORE = SECOND_COUNTERS.format(beyond="<", order="DESC", reverse="ASC")
SECOND_COUNTERS_AFTER = SECOND_COUNTERS.format(beyond=">", order="ASC", reverse="DESC")

# Readings for the roll-up: for each span that has any, its number and each column as one binary array, which is many times quicker to
# take than rows are. Parameters: number[], device_id[], channel[], from[], to[] (both ends included), and the least and greatest of these
# times, which spare the planner the partitions outside.
ROLLUP_READINGS = """
SELECT p.number, r.* FROM unnest(%s::int[], %s::int[], %s::smallint[], %s::timestamptz[], %s::timestamptz[])
    AS p (number, device_id, channel, from_time, to_time)
CROSS JOIN LATERAL (
    SELECT array_send(array_agg(time)) AS time, array_send(array_agg(power_w)), array_send(array_agg(coalesce(voltage_v, 'NaN'))),
        array_send(array_agg(coalesce(current_a, 'NaN'))), array_send(array_agg(coalesce(energy_wh, 'NaN'))),
        array_send(array_agg(coalesce(returned_wh, 'NaN')))
    FROM telemetry_reading r
    WHERE r.device_id = p.device_id AND r.channel = p.channel AND r.time BETWEEN p.from_time AND p.to_time
      AND r.time BETWEEN %s::timestamptz AND %s::timestamptz
) r WHERE r.time IS NOT NULL
"""

# The first kept counter of each channel that had one before the horizon. Parameter: horizon.
FIRST_KEPT_COUNTERS = """
SELECT s.device_id, s.channel, kept.time FROM telemetry_series s CROSS JOIN LATERAL (
    SELECT time FROM telemetry_reading r
    WHERE r.device_id = s.device_id AND r.channel = s.channel AND r.energy_wh IS NOT NULL ORDER BY time LIMIT 1
) kept WHERE s.counter_first < kept.time AND s.counter_first < %s
"""

BUCKET_COLUMNS = (
    "measured_wh, recovered_wh, returned_wh, covered_s, samples, power_min_w, power_mean_w, power_max_w,"
    " voltage_v, current_a, flags"
)


# How buckets make a wider one. It counts as imported (8) only where all of them are: what is measured in it must not be overwritten.
# (PostgreSQL gives & and | one precedence, from left to right.)
_SUMS = """
sum(measured_wh) AS measured_wh, sum(recovered_wh) AS recovered_wh, sum(returned_wh) AS returned_wh, sum(covered_s) AS covered_s,
sum(samples)::int AS samples, min(power_min_w) AS power_min_w,
CASE WHEN sum(covered_s) > 0 THEN sum(power_mean_w * covered_s) / sum(covered_s) ELSE avg(power_mean_w) END AS power_mean_w,
max(power_max_w) AS power_max_w,
sum(voltage_v * samples) / nullif(sum(samples) FILTER (WHERE voltage_v IS NOT NULL), 0) AS voltage_v,
sum(current_a * samples) / nullif(sum(samples) FILTER (WHERE current_a IS NOT NULL), 0) AS current_a,
((bit_or(flags) & ~8) | (bit_and(flags) & 8))::smallint AS flags
"""


def _upsert(table: str, rows: str, only: str = "true") -> str:
    """Return the statement that writes buckets, touching only those that differ, and that the condition on b and excluded lets go."""
    names = BUCKET_COLUMNS.split(", ")
    assignments = ", ".join(f"{name} = excluded.{name}" for name in names)
    old, new = (", ".join(f"{source}.{name}" for name in names) for source in ("b", "excluded"))
    return f"""
INSERT INTO {table} AS b (device_id, channel, start, {BUCKET_COLUMNS})
{rows}
ON CONFLICT (device_id, channel, start) DO UPDATE SET {assignments} WHERE ({old}) IS DISTINCT FROM ({new}) AND {only}
"""


# Parameters: device_id[], channel[], start[] and a list for each of BUCKET_COLUMNS; NaN stands for null.
UPSERT_FIVE_MINUTES = _upsert(
    "telemetry_bucket_5m",
    """
SELECT device_id, channel, start, measured_wh, recovered_wh, returned_wh, covered_s, samples, nullif(power_min_w, 'NaN'),
    nullif(power_mean_w, 'NaN'), nullif(power_max_w, 'NaN'), nullif(voltage_v, 'NaN'), nullif(current_a, 'NaN'), flags
FROM unnest(
    %s::int[], %s::smallint[], %s::timestamptz[], %s::float8[], %s::float8[], %s::float8[], %s::float4[], %s::int[], %s::float4[],
    %s::float4[], %s::float4[], %s::float4[], %s::float4[], %s::smallint[]
) AS c (device_id, channel, start, measured_wh, recovered_wh, returned_wh, covered_s, samples, power_min_w, power_mean_w, power_max_w,
    voltage_v, current_a, flags)
""",
)

# Buckets of recomputed spans that nothing was computed for; imported ones (8) stay. Parameters: device_id[], channel[], lo[], hi[] of
# the spans, then device_id[], channel[], start[] of what was computed. OFFSET keeps the planner at one short walk of the key for each span.
STALE_FIVE_MINUTES = """
SELECT p.device_id, p.channel, b.start FROM unnest(%s::int[], %s::smallint[], %s::timestamptz[], %s::timestamptz[])
    AS p (device_id, channel, lo, hi)
CROSS JOIN LATERAL (
    SELECT start FROM telemetry_bucket_5m b
    WHERE b.device_id = p.device_id AND b.channel = p.channel AND b.start >= p.lo AND b.start < p.hi AND b.flags & 8 = 0 OFFSET 0
) b
WHERE (p.device_id, p.channel, b.start) NOT IN (
    SELECT * FROM unnest(%s::int[], %s::smallint[], %s::timestamptz[]) AS c (device_id, channel, start)
)
"""
DELETE_FIVE_MINUTES = """
DELETE FROM telemetry_bucket_5m WHERE (device_id, channel, start) IN (
    SELECT * FROM unnest(%s::int[], %s::smallint[], %s::timestamptz[]) AS c (device_id, channel, start)
)
"""

# Hours are the sums of their five minutes. Parameters: device_id[], channel[], lo[], hi[] of whole hours.
_HOUR_SPANS = """unnest(%s::int[], %s::smallint[], %s::timestamptz[], %s::timestamptz[]) AS p (device_id, channel, lo, hi)"""
_HOURS = f"""
SELECT p.device_id, p.channel, h.* FROM {_HOUR_SPANS} CROSS JOIN LATERAL (
    SELECT date_trunc('hour', start, 'UTC') AS start, {_SUMS} FROM telemetry_bucket_5m b
    WHERE b.device_id = p.device_id AND b.channel = p.channel AND b.start >= p.lo AND b.start < p.hi
    GROUP BY 1
) h
"""
UPSERT_HOURS = _upsert("telemetry_bucket_1h", _HOURS)
# Where imported buckets alone have changed: they must not replace a measured hour whose own five minutes the retention has taken.
UPSERT_IMPORTED_HOURS = _upsert("telemetry_bucket_1h", _HOURS, only="(b.flags & 8 <> 0 OR excluded.flags & 8 = 0)")
DELETE_HOURS = f"""
DELETE FROM telemetry_bucket_1h WHERE (device_id, channel, start) IN (
    SELECT p.device_id, p.channel, h.start FROM {_HOUR_SPANS} CROSS JOIN LATERAL (
        SELECT start FROM telemetry_bucket_1h h
        WHERE h.device_id = p.device_id AND h.channel = p.channel AND h.start >= p.lo AND h.start < p.hi AND h.flags & 8 = 0 OFFSET 0
    ) h
    WHERE NOT EXISTS (
        SELECT FROM telemetry_bucket_5m b
        WHERE b.device_id = p.device_id AND b.channel = p.channel AND b.start >= h.start AND b.start < h.start + interval '1 hour'
    )
)
"""

# The newest note of late readings. Those that come while a run is under way wait for the next one.
LAST_LATE_SPAN = "SELECT coalesce(max(id), 0) FROM telemetry_latespan"

# History by step. {table} is the bucket table, {step} the SQL of a bucket's step. Parameters by name: zone, device_ids, channel (or
# null), start, end. A circuit's power, voltage and current are its means over the time that is covered; circuits add up but for voltage.
HISTORY = """
WITH circuit AS (
    SELECT {step} AS step, sum(measured_wh + recovered_wh) AS drawn_wh, sum(returned_wh) AS returned_wh, sum(covered_s) AS covered_s,
        coalesce(sum(power_mean_w * covered_s) FILTER (WHERE covered_s > 0) / nullif(sum(covered_s), 0), avg(power_mean_w)) AS power_w,
        avg(voltage_v) AS voltage_v, avg(current_a) AS current_a, max(power_max_w) AS power_max_w
    FROM {table}
    WHERE device_id = ANY(%(device_ids)s) AND (%(channel)s::smallint IS NULL OR channel = %(channel)s)
      AND start >= %(start)s AND start < %(end)s
    GROUP BY 1, device_id, channel
)
SELECT step, sum(drawn_wh), sum(returned_wh), avg(covered_s), sum(power_w), avg(voltage_v), sum(current_a) FROM circuit GROUP BY 1
"""
HISTORY_TABLES = {"5m": "telemetry_bucket_5m", "1h": "telemetry_bucket_1h", "1d": "telemetry_bucket_1h"}
HISTORY_STEPS = {"5m": "start", "1h": "start", "1d": "date_trunc('day', start, %(zone)s)"}

# Export: one page of one channel as CSV lines, written by the server, which prints floats so that reading them gives the same again.
# Each page is a query of its own, so that a slow download holds no transaction open: partitions could not be dropped behind it.
# Parameters by name: head (the fields before the time), device_id, channel, start, end, after (where the page begins), limit, zone.
# Returns the lines, the time of the last and their number.
_EXPORT = """
SELECT string_agg(line, E'\\r\\n' ORDER BY at) || E'\\r\\n', max(at), count(*) FROM (
    SELECT {time} AS at, concat(%(head)s::text, to_char({time} AT TIME ZONE {zone}, '{form}'), {fields}) AS line
    FROM {source} WHERE {time} >= %(after)s AND {time} < %(end)s AND device_id = %(device_id)s AND channel = %(channel)s
    ORDER BY 1 LIMIT %(limit)s
) page
"""
_DAYS = f"""(
    SELECT device_id, channel, date_trunc('day', start, %(zone)s) AS start, {_SUMS} FROM telemetry_bucket_1h
    WHERE device_id = %(device_id)s AND channel = %(channel)s AND start >= %(start)s AND start < %(end)s GROUP BY 1, 2, 3
) day"""
READING_COLUMNS = ("power_w", "voltage_v", "current_a", "energy_wh", "returned_wh")
_BUCKET_NAMES = tuple(BUCKET_COLUMNS.split(", "))


def _export(source: str, *, columns: tuple[str, ...], time: str = "start", form: str, zone: str = "'UTC'") -> str:
    # The mark of an imported bucket belongs to this installation alone, so it is left out.
    fields = ", ".join(f"',', {'flags & ~8' if name == 'flags' else name}" for name in columns)
    return _EXPORT.format(source=source, time=time, zone=zone, form=form, fields=fields)


EXPORTS = {
    "raw": _export("telemetry_reading", columns=READING_COLUMNS, time="time", form='YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    "5m": _export("telemetry_bucket_5m", columns=_BUCKET_NAMES, form='YYYY-MM-DD"T"HH24:MI:SS"Z"'),
    "1h": _export("telemetry_bucket_1h", columns=_BUCKET_NAMES, form='YYYY-MM-DD"T"HH24:MI:SS"Z"'),
    "1d": _export(_DAYS, columns=_BUCKET_NAMES, form="YYYY-MM-DD", zone="%(zone)s"),
}

# Import of buckets: each is new, or replaces an imported one that differs; a measured one stays. Parameters: device_id[], channel[],
# start[], then the columns' arrays. Returns how many stood there as measured and as imported, and what was written: device, channel, start.
_IMPORT = """
WITH input AS MATERIALIZED (
    SELECT * FROM unnest(
        %s::int[], %s::smallint[], %s::timestamptz[], %s::float8[], %s::float8[], %s::float8[], %s::real[], %s::int[],
        %s::real[], %s::real[], %s::real[], %s::real[], %s::real[], %s::smallint[]
    ) AS i (device_id, channel, start, {columns})
), stood AS (
    SELECT b.flags & 8 = 0 AS measured FROM input i JOIN {table} b USING (device_id, channel, start)
), series AS (
    INSERT INTO telemetry_series (device_id, channel) SELECT DISTINCT device_id, channel FROM input ON CONFLICT DO NOTHING
), written AS (
    {upsert}
    RETURNING b.device_id, b.channel, b.start
)
SELECT (SELECT count(*) FROM stood WHERE measured), (SELECT count(*) FROM stood WHERE NOT measured),
    array_agg(device_id), array_agg(channel), array_agg(start) FROM written
"""
_IMPORTED = f"SELECT device_id, channel, start, {BUCKET_COLUMNS.replace('flags', 'flags | 8')} FROM input"
IMPORTS = {
    resolution: _IMPORT.format(table=table, columns=BUCKET_COLUMNS, upsert=_upsert(table, _IMPORTED, only="b.flags & 8 <> 0"))
    for resolution, table in (("5m", "telemetry_bucket_5m"), ("1h", "telemetry_bucket_1h"))
}
