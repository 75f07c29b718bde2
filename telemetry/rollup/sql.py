"""The SQL of the roll-up: what changed, and which readings it takes to compute it. Buckets are written in bucket_sql.py."""

from telemetry.columns import READING, READING_VALUES, Column, Columns
from telemetry.shelly.component_kinds import CHANNELS

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

# The newest late span. Those that are stored during a run wait for the next one.
LAST_LATE_SPAN = "SELECT coalesce(max(id), 0) FROM telemetry_latespan"

# Takes late spans up to that one, all those of an hour of a series together, the oldest first but the devices in turns: a device with many
# does not delay one with few. Parameters: its id, how many hours to take, its id.
TAKE_LATE_SPANS = """
WITH waiting AS (
    SELECT device_id, channel, date_bin('1 hour', from_time, 'epoch') AS hour, min(id) AS first
    FROM telemetry_latespan WHERE id <= %s GROUP BY 1, 2, 3
), turn AS MATERIALIZED (
    SELECT * FROM waiting ORDER BY row_number() OVER (PARTITION BY device_id ORDER BY first), first LIMIT %s
), taken AS (
    DELETE FROM telemetry_latespan l USING turn t
    WHERE l.device_id = t.device_id AND l.channel = t.channel AND date_bin('1 hour', l.from_time, 'epoch') = t.hour AND l.id <= %s
    RETURNING l.device_id, l.channel, l.from_time, l.to_time
), merged AS (
    SELECT device_id, channel, unnest(range_agg(tstzrange(from_time, to_time + interval '5 minutes'))) AS span FROM taken GROUP BY 1, 2
)
SELECT device_id, channel, lower(span), upper(span) - interval '5 minutes' FROM merged
"""

# Note where each changed series has counters. Parameters: device_id[], channel[], from[], to[] of the changes. Returns for each series
# of the changed channels (device_id, number, counter_first, counter_last, fell), null where it never had a counter, or none that fell.
# The ends are looked for one by one from both sides, since an aggregate would read all that lies between.
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
SELECT s.device_id, s.channel, least(s.counter_first, c.first), greatest(s.counter_last, c.last), s.fell
FROM (SELECT DISTINCT device_id, channel %% {CHANNELS} AS channel FROM change) changed
JOIN telemetry_series s ON s.device_id = changed.device_id AND s.channel %% {CHANNELS} = changed.channel
LEFT JOIN change c ON c.device_id = s.device_id AND c.channel = s.channel
"""

# The last counter before each of some times, or the first one after it. Parameters: device_id[], channel[], at[], and how far to look,
# which spares the partitions beyond. Returns which of the times, counted from one, and when the counter was.
_NEXT_COUNTER = """
SELECT p.number, next.time
FROM unnest(%s::int[], %s::smallint[], %s::timestamptz[]) WITH ORDINALITY AS p (device_id, channel, at, number)
CROSS JOIN LATERAL (
    SELECT time FROM telemetry_reading r
    WHERE r.device_id = p.device_id AND r.channel = p.channel AND r.time {beyond} p.at AND r.time {within}= %s::timestamptz
      AND r.energy_wh IS NOT NULL
    ORDER BY time {order} LIMIT 1
) next
"""
COUNTER_BEFORE = _NEXT_COUNTER.format(beyond="<", within=">", order="DESC")
COUNTER_AFTER = _NEXT_COUNTER.format(beyond=">", within="<", order="ASC")

# Where counters have fallen last. Parameters: device_id[], channel[], time[].
NOTE_FALLS = """
UPDATE telemetry_series s SET fell = c.time FROM unnest(%s::int[], %s::smallint[], %s::timestamptz[]) AS c (device_id, channel, time)
WHERE s.device_id = c.device_id AND s.channel = c.channel AND (s.fell IS NULL OR s.fell < c.time)
"""

# Readings for the roll-up: for each stretch that has any, its number, counted from one, and its readings in order of time, packed into one
# value: that is many times quicker to take than rows are. NaN stands for null. Parameters: device_id[], channel[], from[], to[] (both ends
# included), and the least and greatest of these times, which spare the planner the partitions outside.
PACKED = Columns((*READING.only(["time"]), *READING_VALUES))


def _bytes_of(column: Column) -> str:
    value = f"coalesce({column.name}, 'NaN')" if column.is_nullable else column.name
    return f"{column.sql_type}send({value})" if column.sql_type.startswith("float") else f"{column.sql_type}_send({value})"


READINGS = f"""
SELECT p.number, r.packed FROM unnest(%s::int[], %s::smallint[], %s::timestamptz[], %s::timestamptz[])
    WITH ORDINALITY AS p (device_id, channel, from_time, to_time, number)
CROSS JOIN LATERAL (
    SELECT string_agg({" || ".join(map(_bytes_of, PACKED))}, '') AS packed
    FROM (
        SELECT * FROM telemetry_reading r
        WHERE r.device_id = p.device_id AND r.channel = p.channel AND r.time BETWEEN p.from_time AND p.to_time
          AND r.time BETWEEN %s::timestamptz AND %s::timestamptz
        ORDER BY time
    ) r
) r WHERE r.packed IS NOT NULL
"""

# The first kept counter of each series that has had an earlier one.
FIRST_KEPT_COUNTERS = """
SELECT s.device_id, s.channel, kept.time FROM telemetry_series s CROSS JOIN LATERAL (
    SELECT time FROM telemetry_reading r
    WHERE r.device_id = s.device_id AND r.channel = s.channel AND r.energy_wh IS NOT NULL ORDER BY time LIMIT 1
) kept WHERE s.counter_first < kept.time
"""
