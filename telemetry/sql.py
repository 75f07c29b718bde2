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

# What changed since the last roll-up: for each series, the range of its readings after the mark. Parameter: the mark.
RECENT_CHANGES = """
SELECT s.device_id, s.channel, c.from_time, c.to_time FROM telemetry_series s CROSS JOIN LATERAL (
    SELECT min(time) AS from_time, max(time) AS to_time FROM telemetry_reading r
    WHERE r.device_id = s.device_id AND r.channel = s.channel AND r.time > %s
) c WHERE c.from_time IS NOT NULL
"""
TAKE_LATE_SPANS = """
WITH taken AS (
    DELETE FROM telemetry_latespan WHERE id IN (SELECT id FROM telemetry_latespan ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED)
    RETURNING device_id, channel, from_time, to_time
), merged AS (
    SELECT device_id, channel, unnest(range_agg(tstzrange(from_time, to_time + interval '5 minutes'))) AS span FROM taken GROUP BY 1, 2
)
SELECT device_id, channel, lower(span), upper(span) - interval '5 minutes' FROM merged
"""

# Note where each changed series has counters, before its neighbours are looked up. Parameters: device_id[], channel[], from[], to[].
# Returns the changes again, with whether a counter is among them.
NOTE_COUNTERS = """
WITH change AS (
    SELECT c.*, seen.first, seen.last
    FROM unnest(%s::int[], %s::smallint[], %s::timestamptz[], %s::timestamptz[]) AS c (device_id, channel, from_time, to_time)
    CROSS JOIN LATERAL (
        SELECT min(time) AS first, max(time) AS last FROM telemetry_reading r
        WHERE r.device_id = c.device_id AND r.channel = c.channel AND r.time BETWEEN c.from_time AND c.to_time AND r.energy_wh IS NOT NULL
    ) seen
), noted AS (
    UPDATE telemetry_series s SET counter_first = least(s.counter_first, c.first), counter_last = greatest(s.counter_last, c.last)
    FROM (SELECT device_id, channel, min(first) AS first, max(last) AS last FROM change GROUP BY 1, 2) c
    WHERE s.device_id = c.device_id AND s.channel = c.channel
      AND (c.first < s.counter_first OR c.last > s.counter_last OR (s.counter_first IS NULL AND c.first IS NOT NULL))
)
SELECT device_id, channel, from_time, to_time, first IS NOT NULL FROM change
"""

# The two readings with a counter nearest to a time, looking back or ahead; the near partition first, so that the others stay closed.
_COUNTERS = """
SELECT {columns} FROM (
    (SELECT {columns} FROM telemetry_reading r
     WHERE r.device_id = {at}.device_id AND r.channel = {at}.channel AND r.energy_wh IS NOT NULL
       AND r.time {beyond} {edge} AND r.time {within} {edge} {near} interval '1 hour'
     ORDER BY r.time {order} LIMIT 2)
    UNION ALL
    (SELECT {columns} FROM telemetry_reading r
     WHERE r.device_id = {at}.device_id AND r.channel = {at}.channel AND r.energy_wh IS NOT NULL
       AND r.time {further} {edge} {near} interval '1 hour' AND r.time BETWEEN s.counter_first AND s.counter_last
     ORDER BY r.time {order} LIMIT 2)
    LIMIT 2
) nearest
"""


def _counters(*, at: str, edge: str, columns: str, back: bool) -> str:
    signs = ("<", ">=", "-", "<", "DESC") if back else (">", "<=", "+", ">", "ASC")
    beyond, within, near, further, order = signs
    return _COUNTERS.format(
        at=at, edge=edge, columns=columns, beyond=beyond, within=within, near=near, further=further, order=order
    )


# The bucket ranges that a change touches: to the two counters before and after it, since the energy between them is cut anew.
# Parameters: device_id[], channel[], from[], to[], has_counter[], gap (interval), horizon.
_SPANS = f"""
change AS (
    SELECT * FROM unnest(%(device_id)s::int[], %(channel)s::smallint[], %(from_time)s::timestamptz[], %(to_time)s::timestamptz[],
        %(has_counter)s::bool[]) AS c (device_id, channel, from_time, to_time, has_counter)
), touched AS (
    SELECT c.device_id, c.channel,
        least(c.from_time, coalesce(before.time, c.from_time), coalesce(counter_before.time, c.from_time)) AS first,
        greatest(c.to_time, coalesce(after.time, c.to_time), coalesce(counter_after.time, c.to_time)) AS last
    FROM change c JOIN telemetry_series s ON s.device_id = c.device_id AND s.channel = c.channel
    LEFT JOIN LATERAL (
        SELECT max(r.time) AS time FROM telemetry_reading r WHERE r.device_id = c.device_id AND r.channel = c.channel
        AND r.time < c.from_time AND r.time >= c.from_time - %(gap)s::interval
    ) before ON true
    LEFT JOIN LATERAL (
        SELECT min(r.time) AS time FROM telemetry_reading r WHERE r.device_id = c.device_id AND r.channel = c.channel
        AND r.time > c.to_time AND r.time <= c.to_time + %(gap)s::interval
    ) after ON true
    LEFT JOIN LATERAL (
        SELECT min(time) AS time FROM ({_counters(at="c", edge="c.from_time", columns="time", back=True)}) two
    ) counter_before ON c.has_counter
    LEFT JOIN LATERAL (
        SELECT max(time) AS time FROM ({_counters(at="c", edge="c.to_time", columns="time", back=False)}) two
    ) counter_after ON c.has_counter
), span AS MATERIALIZED (
    SELECT device_id, channel, lower(range) AS lo, upper(range) AS hi FROM (
        SELECT device_id, channel, unnest(range_agg(tstzrange(
            greatest(date_bin('5 minutes', first, 'epoch'), %(horizon)s),
            date_bin('5 minutes', last, 'epoch') + interval '5 minutes'
        ))) AS range
        FROM touched WHERE date_bin('5 minutes', last, 'epoch') >= %(horizon)s GROUP BY 1, 2
    ) merged
)
"""

# In double precision, so that no product of tiny values underflows and takes the whole roll-up with it.
_POINT = (
    "time, power_w::float8 AS power_w, voltage_v::float8 AS voltage_v, current_a::float8 AS current_a, energy_wh,"
    " coalesce(returned_wh, 0) AS returned_wh"
)


def _real(expression: str) -> str:
    """Return the expression fit for a `real` column, which refuses what is too small for it."""
    return f"CASE WHEN abs({expression}) < 1e-30 THEN 0 ELSE {expression} END"


# The buckets of one span. The windows run over at most a few thousand readings each, in the order of the primary key.
_BUCKETS = f"""
WITH point AS (
    SELECT {_POINT} FROM telemetry_reading r
    WHERE r.device_id = span.device_id AND r.channel = span.channel
      AND r.time >= span.lo - %(gap)s::interval AND r.time <= span.hi + %(gap)s::interval
    UNION ALL
    SELECT * FROM ({_counters(at="span", edge="(span.lo - %(gap)s::interval)", columns=_POINT, back=True)}) counters_before
    UNION ALL
    SELECT * FROM ({_counters(at="span", edge="(span.hi + %(gap)s::interval)", columns=_POINT, back=False)}) counters_after
), neighbour AS (
    SELECT point.*,
        lag(time) OVER every AS time0, lag(power_w) OVER every AS power0,
        lag(time) OVER kind AS time1, lag(time, 2) OVER kind AS time2, lead(time) OVER kind AS time_next,
        lag(energy_wh) OVER kind AS energy1, lag(energy_wh, 2) OVER kind AS energy2, lead(energy_wh) OVER kind AS energy_next,
        lag(returned_wh) OVER kind AS returned1, lag(returned_wh, 2) OVER kind AS returned2,
        min(time) FILTER (WHERE energy_wh IS NOT NULL) OVER () AS counter_first,
        max(time) FILTER (WHERE energy_wh IS NOT NULL) OVER () AS counter_last
    FROM point WINDOW every AS (ORDER BY time), kind AS (PARTITION BY energy_wh IS NULL ORDER BY time)
), judged AS (
    -- A counter that falls and is back within a minute has only been misread: `dip` at the low reading, `undip` at the next.
    SELECT *,
        coalesce(energy_wh < 0.9 * energy1 AND energy_next >= 0.9 * energy1 AND time_next - time <= interval '60 s', false) AS dip,
        coalesce(energy1 < 0.9 * energy2 AND energy_wh >= 0.9 * energy2 AND time - time1 <= interval '60 s', false) AS undip,
        coalesce(time0 >= counter_first AND time <= counter_last, false) AS by_counter,
        extract(epoch FROM time - time0)::float8 AS seconds0,
        date_bin('5 minutes', time, 'epoch') AS bucket
    FROM neighbour
), based AS (
    SELECT *,
        seconds0 <= CASE WHEN by_counter THEN %(counter_gap_s)s ELSE %(power_gap_s)s END AS continuous,
        CASE WHEN energy_wh IS NULL OR dip THEN NULL WHEN undip THEN time2 ELSE time1 END AS counter_from,
        CASE WHEN undip THEN energy2 ELSE energy1 END AS energy_from,
        CASE WHEN undip THEN returned2 ELSE returned1 END AS returned_from
    FROM judged
), moved AS (
    -- A fall of more than a tenth is a restart from zero; a smaller one is rounding, which the next rise cancels.
    SELECT *,
        CASE WHEN energy_wh < 0.9 * energy_from THEN energy_wh ELSE energy_wh - energy_from END AS drawn,
        CASE WHEN returned_wh < 0.9 * returned_from THEN returned_wh ELSE returned_wh - returned_from END AS given,
        CASE WHEN energy_wh < 0.9 * energy_from AND NOT dip THEN 4 ELSE 0 END AS restarted
    FROM based
), flow AS (
    SELECT time, time0, bucket, continuous, seconds0, power_w, power0, voltage_v, current_a, by_counter, counter_from, restarted,
        extract(epoch FROM time - counter_from)::float8 AS counter_s,
        drawn, given,
        greatest(abs(drawn), abs(given)) > %(max_power_w)s / 3600 * (extract(epoch FROM time - counter_from)::float8 + 60) AS absurd
    FROM moved
), piece AS (
    -- what lies in one bucket: the reading itself, and the interval that ends with it where the bucket holds all of it
    SELECT bucket, 1 AS samples, power_w, voltage_v, current_a,
        CASE WHEN continuous AND time0 >= bucket THEN seconds0 ELSE 0 END AS covered_s,
        CASE WHEN continuous AND time0 >= bucket THEN (power0 + power_w) / 2 * seconds0 ELSE 0 END AS power_s,
        CASE WHEN counter_from >= bucket AND NOT absurd AND counter_s <= %(counter_gap_s)s THEN drawn
            WHEN continuous AND NOT by_counter AND time0 >= bucket
            THEN (greatest(power0, 0) + greatest(power_w, 0)) / 7200 * seconds0 ELSE 0 END AS measured_wh,
        CASE WHEN counter_from >= bucket AND NOT absurd AND counter_s > %(counter_gap_s)s THEN drawn ELSE 0 END AS recovered_wh,
        CASE WHEN counter_from >= bucket AND NOT absurd THEN given
            WHEN continuous AND NOT by_counter AND time0 >= bucket
            THEN (greatest(-power0, 0) + greatest(-power_w, 0)) / 7200 * seconds0 ELSE 0 END AS returned_wh,
        CASE WHEN absurd THEN 2 WHEN counter_from >= bucket AND counter_s > %(counter_gap_s)s THEN restarted | 1 ELSE restarted END
            AS flags
    FROM flow
    UNION ALL
    -- intervals between any two readings that cross a bucket's edge
    SELECT edge, 0, NULL, NULL, NULL, part.s, (power0 + power_w) / 2 * part.s,
        CASE WHEN by_counter THEN 0 ELSE (greatest(power0, 0) + greatest(power_w, 0)) / 7200 * part.s END, 0,
        CASE WHEN by_counter THEN 0 ELSE (greatest(-power0, 0) + greatest(-power_w, 0)) / 7200 * part.s END, 0
    FROM flow
    CROSS JOIN LATERAL generate_series(date_bin('5 minutes', time0, 'epoch'), bucket, interval '5 minutes') AS edge
    CROSS JOIN LATERAL (
        SELECT extract(epoch FROM least(time, edge + interval '5 minutes') - greatest(time0, edge))::float8 AS s
    ) part
    WHERE continuous AND time0 < bucket AND part.s > 0
    UNION ALL
    -- movements of the counter that cross a bucket's edge
    SELECT edge, 0, NULL, NULL, NULL, 0, 0,
        CASE WHEN counter_s <= %(counter_gap_s)s AND NOT absurd THEN drawn * part.share ELSE 0 END,
        CASE WHEN counter_s > %(counter_gap_s)s AND NOT absurd THEN drawn * part.share ELSE 0 END,
        CASE WHEN absurd THEN 0 ELSE given * part.share END,
        CASE WHEN absurd THEN 2 WHEN counter_s > %(counter_gap_s)s THEN 1 ELSE 0 END
    FROM flow
    CROSS JOIN LATERAL generate_series(
        greatest(date_bin('5 minutes', counter_from, 'epoch'), span.lo), least(bucket, span.hi), interval '5 minutes'
    ) AS edge
    CROSS JOIN LATERAL (
        SELECT extract(epoch FROM least(time, edge + interval '5 minutes') - greatest(counter_from, edge))::float8 / counter_s AS share
    ) part
    WHERE counter_from < bucket AND part.share > 0
)
SELECT bucket, sum(measured_wh) AS measured_wh, sum(recovered_wh) AS recovered_wh, sum(returned_wh) AS returned_wh,
    sum(covered_s) AS covered_s, sum(samples)::int AS samples, min(power_w) AS power_min_w,
    {_real("(CASE WHEN sum(covered_s) > 0 THEN sum(power_s) / sum(covered_s) ELSE avg(power_w) END)")} AS power_mean_w,
    max(power_w) AS power_max_w, {_real("avg(voltage_v)")} AS voltage_v, {_real("avg(current_a)")} AS current_a,
    bit_or(flags)::smallint AS flags
FROM piece WHERE bucket >= span.lo AND bucket < span.hi GROUP BY bucket
"""

# How buckets make a wider one. It counts as imported (8) only where all of them are: what is measured in it must not be overwritten.
_SUMS = """
sum(measured_wh) AS measured_wh, sum(recovered_wh) AS recovered_wh, sum(returned_wh) AS returned_wh, sum(covered_s) AS covered_s,
sum(samples)::int AS samples, min(power_min_w) AS power_min_w,
CASE WHEN sum(covered_s) > 0 THEN sum(power_mean_w * covered_s) / sum(covered_s) ELSE avg(power_mean_w) END AS power_mean_w,
max(power_max_w) AS power_max_w,
sum(voltage_v * samples) / nullif(sum(samples) FILTER (WHERE voltage_v IS NOT NULL), 0) AS voltage_v,
sum(current_a * samples) / nullif(sum(samples) FILTER (WHERE current_a IS NOT NULL), 0) AS current_a,
(bit_or(flags) & ~8 | bit_and(flags) & 8)::smallint AS flags
"""

_COLUMNS = "measured_wh, recovered_wh, returned_wh, covered_s, samples, power_min_w, power_mean_w, power_max_w, voltage_v, current_a, flags"


_ASSIGNMENTS = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS.split(", "))
_OLD = ", ".join(f"b.{name}" for name in _COLUMNS.split(", "))
_NEW = ", ".join(f"excluded.{name}" for name in _COLUMNS.split(", "))


def _upsert(table: str, unless: str = "false") -> str:
    """Return the tail of a roll-up: replace the span's buckets by the computed ones, touching only what differs.

    An imported bucket (8) stays where there is nothing to put in its place.
    """
    return f"""
, removed AS (
    DELETE FROM {table} b USING span
    WHERE b.device_id = span.device_id AND b.channel = span.channel AND b.start >= span.lo AND b.start < span.hi AND b.flags & 8 = 0
      AND NOT EXISTS (
          SELECT FROM computed c WHERE c.device_id = b.device_id AND c.channel = b.channel AND c.bucket = b.start
      )
), written AS (
    INSERT INTO {table} AS b (device_id, channel, start, {_COLUMNS})
    SELECT device_id, channel, bucket, {_COLUMNS} FROM computed
    ON CONFLICT (device_id, channel, start) DO UPDATE SET {_ASSIGNMENTS}
    WHERE ({_OLD}) IS DISTINCT FROM ({_NEW}) AND NOT ({unless})
)
SELECT device_id, channel, lo, hi FROM span
"""


# Parameters by name; returns the spans that were recomputed.
ROLLUP_FIVE_MINUTES = f"""
WITH {_SPANS}, computed AS MATERIALIZED (
    SELECT span.device_id, span.channel, b.* FROM span
    JOIN telemetry_series s ON s.device_id = span.device_id AND s.channel = span.channel
    CROSS JOIN LATERAL ({_BUCKETS}) b
)
{_upsert("telemetry_bucket_5m")}
"""

# Parameters: device_id[], channel[], lo[], hi[] of five-minute spans; importing: whether imported buckets alone have changed, which
# must not replace a measured hour whose own five-minute buckets the retention has taken.
ROLLUP_HOURS = f"""
WITH span AS MATERIALIZED (
    SELECT device_id, channel, lower(range) AS lo, upper(range) AS hi FROM (
        SELECT device_id, channel, unnest(range_agg(tstzrange(
            date_trunc('hour', lo, 'UTC'), date_trunc('hour', hi - interval '1 microsecond', 'UTC') + interval '1 hour'
        ))) AS range
        FROM unnest(%(device_id)s::int[], %(channel)s::smallint[], %(lo)s::timestamptz[], %(hi)s::timestamptz[])
            AS s (device_id, channel, lo, hi)
        GROUP BY 1, 2
    ) merged
), computed AS MATERIALIZED (
    SELECT span.device_id, span.channel, h.* FROM span CROSS JOIN LATERAL (
        SELECT date_trunc('hour', start, 'UTC') AS bucket, {_SUMS}
        FROM telemetry_bucket_5m b
        WHERE b.device_id = span.device_id AND b.channel = span.channel AND b.start >= span.lo AND b.start < span.hi
        GROUP BY 1
    ) h
)
{_upsert("telemetry_bucket_1h", unless="%(importing)s AND b.flags & 8 = 0 AND excluded.flags & 8 <> 0")}
"""

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
BUCKET_COLUMNS = tuple(_COLUMNS.split(", "))


def _export(source: str, *, columns: tuple[str, ...], time: str = "start", form: str, zone: str = "'UTC'") -> str:
    # The mark of an imported bucket belongs to this installation alone, so it is left out.
    fields = ", ".join(f"',', {'flags & ~8' if name == 'flags' else name}" for name in columns)
    return _EXPORT.format(source=source, time=time, zone=zone, form=form, fields=fields)


EXPORTS = {
    "raw": _export("telemetry_reading", columns=READING_COLUMNS, time="time", form='YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    "5m": _export("telemetry_bucket_5m", columns=BUCKET_COLUMNS, form='YYYY-MM-DD"T"HH24:MI:SS"Z"'),
    "1h": _export("telemetry_bucket_1h", columns=BUCKET_COLUMNS, form='YYYY-MM-DD"T"HH24:MI:SS"Z"'),
    "1d": _export(_DAYS, columns=BUCKET_COLUMNS, form="YYYY-MM-DD", zone="%(zone)s"),
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
    INSERT INTO {table} AS b (device_id, channel, start, {columns})
    SELECT device_id, channel, start, {values} FROM input
    ON CONFLICT (device_id, channel, start) DO UPDATE SET {assignments}
    WHERE b.flags & 8 <> 0 AND ({old}) IS DISTINCT FROM ({new})
    RETURNING b.device_id, b.channel, b.start
)
SELECT (SELECT count(*) FROM stood WHERE measured), (SELECT count(*) FROM stood WHERE NOT measured),
    array_agg(device_id), array_agg(channel), array_agg(start) FROM written
"""
IMPORTS = {
    resolution: _IMPORT.format(
        table=table,
        columns=_COLUMNS,
        values=_COLUMNS.replace("flags", "flags | 8"),
        assignments=_ASSIGNMENTS,
        old=_OLD,
        new=_NEW,
    )
    for resolution, table in (("5m", "telemetry_bucket_5m"), ("1h", "telemetry_bucket_1h"))
}
