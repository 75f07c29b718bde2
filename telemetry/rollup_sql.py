"""The SQL of the roll-up.

Energy follows the rules of docs/telemetry.md: by counter where there is one, else by trapezoid over short gaps. Each interval between two
readings is cut at bucket edges in proportion to time, so the buckets' sum is the counter's movement whatever the order of arrival.
"""

# Before a roll-up: its lock, and plans that walk the primary key. A bitmap or a sort would read hours of readings to find the nearest
# two, and compiling costs more than it saves. Parameter: the lock's key.
SESSION = """
SELECT pg_advisory_xact_lock(%s), set_config('enable_bitmapscan', 'off', true), set_config('enable_sort', 'off', true),
    set_config('jit', 'off', true)
"""

# What changed since the last roll-up: for each series, the range of its readings after the mark. Parameter: the mark.
RECENT_CHANGES = """
SELECT s.device_id, s.channel, c.from_time, c.to_time FROM telemetry_series s CROSS JOIN LATERAL (
    SELECT min(time) AS from_time, max(time) AS to_time FROM telemetry_reading r
    WHERE r.device_id = s.device_id AND r.channel = s.channel AND r.time > %s
) c WHERE c.from_time IS NOT NULL
"""

# The newest note of late readings. Those that come while a run is under way wait for the next one.
LAST_LATE_SPAN = "SELECT coalesce(max(id), 0) FROM telemetry_latespan"

# Takes notes up to that one. Parameters: its number, how many.
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
# series (device_id, channel, counter_first, counter_last), both null where it never had a counter. The ends are looked for one by one
# from both sides, since an aggregate would read all that lies between.
_COUNTED = """
SELECT time FROM telemetry_reading r
WHERE r.device_id = c.device_id AND r.channel = c.channel AND r.time BETWEEN c.from_time AND c.to_time AND r.energy_wh IS NOT NULL
"""
NOTE_COUNTERS = f"""
WITH change AS (
    SELECT c.device_id, c.channel, min(seen.first) AS first, max(seen.last) AS last
    FROM unnest(%s::int[], %s::smallint[], %s::timestamptz[], %s::timestamptz[]) AS c (device_id, channel, from_time, to_time)
    CROSS JOIN LATERAL (
        SELECT ({_COUNTED} ORDER BY time LIMIT 1) AS first, ({_COUNTED} ORDER BY time DESC LIMIT 1) AS last
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

# The time of the last but one reading with a counter before some times, or of the next but one after them; of the nearest where there is no
# other. Parameters: device_id[], channel[], at[], and how far to look, which spares the partitions beyond. Returns which of these, counted
# from one, the time, and how many there are, 1 or 2.
_SECOND_COUNTERS = """
SELECT p.number, {farthest}(two.time), count(*)
FROM unnest(%s::int[], %s::smallint[], %s::timestamptz[]) WITH ORDINALITY AS p (device_id, channel, at, number)
CROSS JOIN LATERAL (
    SELECT time FROM telemetry_reading r
    WHERE r.device_id = p.device_id AND r.channel = p.channel AND r.time {beyond} p.at AND r.time {within}= %s::timestamptz
      AND r.energy_wh IS NOT NULL
    ORDER BY time {order} LIMIT 2
) two GROUP BY 1
"""
SECOND_COUNTERS_BEFORE = _SECOND_COUNTERS.format(farthest="min", beyond="<", within=">", order="DESC")
SECOND_COUNTERS_AFTER = _SECOND_COUNTERS.format(farthest="max", beyond=">", within="<", order="ASC")

# Readings for the roll-up: for each span that has any, its number, counted from one, and its readings in order of time, packed into one
# value: that is many times quicker to take than rows are. NaN stands for null. Parameters: device_id[], channel[], from[], to[] (both ends
# included), and the least and greatest of these times, which spare the planner the partitions outside.
READINGS = """
SELECT p.number, r.packed FROM unnest(%s::int[], %s::smallint[], %s::timestamptz[], %s::timestamptz[])
    WITH ORDINALITY AS p (device_id, channel, from_time, to_time, number)
CROSS JOIN LATERAL (
    SELECT string_agg(timestamptz_send(time) || float4send(power_w) || float4send(coalesce(voltage_v, 'NaN'))
        || float4send(coalesce(current_a, 'NaN')) || float8send(coalesce(energy_wh, 'NaN')) || float8send(coalesce(returned_wh, 'NaN')),
        '') AS packed
    FROM (
        SELECT * FROM telemetry_reading r
        WHERE r.device_id = p.device_id AND r.channel = p.channel AND r.time BETWEEN p.from_time AND p.to_time
          AND r.time BETWEEN %s::timestamptz AND %s::timestamptz
        ORDER BY time
    ) r
) r WHERE r.packed IS NOT NULL
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
SUMS = """
sum(measured_wh) AS measured_wh, sum(recovered_wh) AS recovered_wh, sum(returned_wh) AS returned_wh, sum(covered_s) AS covered_s,
sum(samples)::int AS samples, min(power_min_w) AS power_min_w,
CASE WHEN sum(covered_s) > 0 THEN sum(power_mean_w * covered_s) / sum(covered_s) ELSE avg(power_mean_w) END AS power_mean_w,
max(power_max_w) AS power_max_w,
sum(voltage_v * samples) / nullif(sum(samples) FILTER (WHERE voltage_v IS NOT NULL), 0) AS voltage_v,
sum(current_a * samples) / nullif(sum(samples) FILTER (WHERE current_a IS NOT NULL), 0) AS current_a,
(bit_or(flags) & ~8 | bit_and(flags) & 8)::smallint AS flags
"""


def upsert(table: str, rows: str, only: str = "true") -> str:
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
UPSERT_FIVE_MINUTES = upsert(
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
    SELECT date_trunc('hour', start, 'UTC') AS start, {SUMS} FROM telemetry_bucket_5m b
    WHERE b.device_id = p.device_id AND b.channel = p.channel AND b.start >= p.lo AND b.start < p.hi
    GROUP BY 1
) h
"""
UPSERT_HOURS = upsert("telemetry_bucket_1h", _HOURS)
# Where imported buckets alone have changed: they must not replace a measured hour whose own five minutes the retention has taken.
UPSERT_IMPORTED_HOURS = upsert("telemetry_bucket_1h", _HOURS, only="(b.flags & 8 <> 0 OR excluded.flags & 8 = 0)")
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
