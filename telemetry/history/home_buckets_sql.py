"""The SQL of which buckets make a home's total."""

from telemetry.columns import Flag

# The seconds of an hour for which its energy is known: those covered, but all of one in which a counter told what a gap used (by its flag,
# which old hours don't have, or its energy).
KNOWN_S = f"(CASE WHEN flags & {Flag.RECOVERED} <> 0 OR recovered_wh <> 0 THEN 3600 ELSE least(covered_s, 3600) END)::float8"

# Each stands in a FROM. {table} is a bucket table. Parameters by name: device_ids, start, end, and those below.
CIRCUITS = """(
    SELECT *, false AS is_main FROM {table} WHERE device_id = ANY(%(device_ids)s) AND start >= %(start)s AND start < %(end)s
) counted"""

# Parameters beside them: mains (bool[]), since, until of the roles that the devices have. An hour is the mains' if what they tell of it
# covers nine tenths of what any circuit tells of it; a reading may be 90 s behind in the hour that is running. Where there is one of them
# alone, it counts. What is decided for an hour holds for its five minutes, so that they add up to it.
MAINS_OR_CIRCUITS = f"""(
    WITH role AS MATERIALIZED (
        SELECT * FROM unnest(%(device_ids)s::int[], %(mains)s::bool[], %(since)s::timestamptz[], %(until)s::timestamptz[])
            AS r (device_id, is_main, since, until)
    ), mains AS MATERIALIZED (
        SELECT since, until, (SELECT min(start) FROM telemetry_bucket_1h b WHERE b.device_id = r.device_id) AS first
        FROM role r WHERE is_main
    ), hour AS MATERIALIZED (
        SELECT b.start, bool_and(is_main) OR coalesce(
            min({KNOWN_S}) FILTER (WHERE is_main) + 90 >= 0.9 * max({KNOWN_S}) FILTER (WHERE NOT is_main) AND {{complete}}, false
        ) AS is_main
        FROM role r JOIN telemetry_bucket_1h b ON b.device_id = r.device_id AND b.start >= r.since AND b.start < r.until
        WHERE b.start >= date_trunc('hour', %(start)s::timestamptz, 'UTC') AND b.start < %(end)s
        GROUP BY b.start
    )
    SELECT b.*, r.is_main
    FROM role r JOIN {{table}} b ON b.device_id = r.device_id AND b.start >= r.since AND b.start < r.until
    JOIN hour ON hour.start = date_trunc('hour', b.start, 'UTC') AND hour.is_main = r.is_main
    WHERE b.start >= %(start)s AND b.start < %(end)s
) counted"""

# Of several mains (one for each phase or service) each that has been heard of by then, and is not retired, must be there. Without this
# condition nothing asks when they were first heard of.
ALL_MAINS_ARE_THERE = """(
    count(DISTINCT b.device_id) FILTER (WHERE is_main)
        = (SELECT count(*) FROM mains m WHERE b.start >= m.first AND b.start >= m.since AND b.start < m.until)
)"""
