"""The SQL of what is asked of buckets: which of them make a home's total, and sums of these by step, circuit, hour and day."""

from telemetry.columns import Flag


def known_s(width_s: int) -> str:
    """Return the SQL of the seconds of a bucket for which its energy is known: those covered, but all where a counter gave that of a gap.

    That is known by the flag, which old hours don't have, or by the energy itself.
    """
    recovered = f"flags & {Flag.RECOVERED} <> 0 OR recovered_wh <> 0"
    return f"(CASE WHEN {recovered} THEN {width_s} ELSE least(covered_s, {width_s}) END)::float8"


KNOWN_S = known_s(3600)

# Each stands in a FROM. {table} is a bucket table. Parameters by name: device_ids, start, end, and those below.
CIRCUITS = """(
    SELECT *, false AS is_main FROM {table} WHERE device_id = ANY(%(device_ids)s) AND start >= %(start)s AND start < %(end)s
) counted"""

# Parameters beside them: mains (bool[]), since, until of the roles that the devices have. An hour is the mains' if their known time is
# nine tenths of that of any circuit; a reading may be 90 s behind in the running hour. Where only mains or only circuits have a bucket,
# these count. What is decided for an hour holds for its five minutes, so that they add up to it.
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
        WHERE b.start >= date_bin('1 hour', %(start)s::timestamptz, 'epoch') AND b.start < %(end)s
        GROUP BY b.start
    )
    SELECT b.*, r.is_main
    FROM role r JOIN {{table}} b ON b.device_id = r.device_id AND b.start >= r.since AND b.start < r.until
    JOIN hour ON hour.start = date_bin('1 hour', b.start, 'epoch') AND hour.is_main = r.is_main
    WHERE b.start >= %(start)s AND b.start < %(end)s
) counted"""

# Of several mains (one for each phase or service) each that has sent readings by then, and is not retired, must have a bucket. Without
# this condition their first bucket is not looked up.
ALL_MAINS_ARE_THERE = """(
    count(DISTINCT b.device_id) FILTER (WHERE is_main)
        = (SELECT count(*) FROM mains m WHERE b.start >= m.first AND b.start >= m.since AND b.start < m.until)
)"""

# History by step. {counted} are the buckets that count (home_total.py), {step} is the SQL of a bucket's step.
# Parameters by name beside those of {counted}: channel (or null). A circuit's power, voltage and current are its means over the time
# that is covered; circuits add up but for voltage. In a day some hours may be the mains' and some the circuits': each side has the weight
# of its hours.
HISTORY = """
WITH circuit AS (
    SELECT {step} AS step, is_main, count(*) AS hours,
        sum(measured_wh + recovered_wh) AS drawn_wh, sum(returned_wh) AS returned_wh, sum(covered_s) AS covered_s,
        coalesce(sum(power_mean_w * covered_s) FILTER (WHERE covered_s > 0) / nullif(sum(covered_s), 0), avg(power_mean_w)) AS power_w,
        avg(voltage_v) AS voltage_v, avg(current_a) AS current_a
    FROM {counted}
    WHERE %(channel)s::smallint IS NULL OR channel = %(channel)s
    GROUP BY 1, is_main, device_id, channel
), side AS (
    SELECT step, max(hours) AS hours, sum(drawn_wh) AS drawn_wh, sum(returned_wh) AS returned_wh, avg(covered_s) AS covered_s,
        sum(power_w) AS power_w, avg(voltage_v) AS voltage_v, sum(current_a) AS current_a
    FROM circuit GROUP BY step, is_main
)
SELECT step, sum(drawn_wh) AS drawn_wh, sum(returned_wh) AS returned_wh, sum(covered_s) AS covered_s,
    sum(power_w * hours) / sum(hours) FILTER (WHERE power_w IS NOT NULL) AS power_w,
    sum(voltage_v * hours) / sum(hours) FILTER (WHERE voltage_v IS NOT NULL) AS voltage_v,
    sum(current_a * hours) / sum(hours) FILTER (WHERE current_a IS NOT NULL) AS current_a
FROM side GROUP BY step
"""
# The start of a step, or the number of a day, counted from one: that costs half of date_trunc in a zone. Parameter: days (their starts).
HISTORY_STEPS = {"5m": "start", "1h": "start", "1d": "width_bucket(start, %(days)s::timestamptz[])"}

# What drew how much between consecutive edges (span), for how many seconds that is known, and in how many hours such a thing counted: the
# mains or circuits. Parameter beside those of {counted}: edges (rising).
CIRCUIT_USES = f"""
SELECT span, is_main, sum(wh) AS energy_wh, sum(known_s) AS known_s, max(count(*)) OVER (PARTITION BY span, is_main) AS hours FROM (
    SELECT width_bucket(start, %(edges)s::timestamptz[]) - 1 AS span, is_main, device_id, channel,
        measured_wh + recovered_wh AS wh, {KNOWN_S} AS known_s
    FROM {{counted}}
) hour
GROUP BY span, is_main, device_id, channel
ORDER BY span, is_main, device_id, channel
"""

# The Wh between consecutive edges; {energy} is the SQL of which. Parameters as above.
ENERGY = """
SELECT width_bucket(start, %(edges)s::timestamptz[]) - 1 AS span, sum({energy}) AS energy_wh FROM {counted} GROUP BY 1
"""

# The Wh that circuits used in each hour, the share (0 to 1) of the home's usual use for which that is known, and the Wh that they
# returned. Each circuit counts by its mean power, for the seconds covered, or for all of an hour in which a counter gave the energy of a
# gap; from its first bucket until its device is retired, or is silent for longer than a billing period. In an hour of the mains only these
# count.
HOME_HOURS = f"""
WITH bucket AS (
    SELECT device_id, channel, is_main, start, measured_wh + recovered_wh AS wh, returned_wh, {KNOWN_S} / 3600 AS known FROM {{counted}}
), circuit AS (
    SELECT device_id, channel, is_main, min(start) AS first, greatest(sum(wh) / nullif(sum(known), 0), 1) AS mean_wh,
        greatest(max(start), least(max(start) + interval '62 days', max(until) - interval '1 hour')) AS last
    FROM bucket JOIN (
        SELECT device_id, is_main, max(until) AS until
        FROM unnest(%(device_ids)s::int[], %(mains)s::bool[], %(until)s::timestamptz[]) AS r (device_id, is_main, until) GROUP BY 1, 2
    ) role USING (device_id, is_main)
    GROUP BY device_id, channel, is_main
)
SELECT start, sum(wh) AS wh, sum(known * mean_wh) / (
    SELECT sum(mean_wh) FROM circuit c WHERE c.is_main = b.is_main AND b.start BETWEEN first AND last
) AS known_share, sum(returned_wh) AS returned_wh
FROM bucket b JOIN circuit USING (device_id, channel, is_main) GROUP BY start, b.is_main
"""

# The same by local date, with the known hours of each. Parameter beside those of {counted}: zone.
HOME_DAYS = f"""
SELECT (start AT TIME ZONE %(zone)s)::date AS day, sum(wh) AS wh, sum(known_share) AS known_hours
FROM ({HOME_HOURS}) hour GROUP BY day
"""
