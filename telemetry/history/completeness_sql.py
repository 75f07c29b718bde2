"""The SQL of what is known of circuits. {counted} are the buckets that count (telemetry/history/home_buckets.py), with their parameters."""

from telemetry.history.home_buckets_sql import KNOWN_S

# What drew how much between consecutive edges (span), for how many seconds that is known, and in how many hours such a thing counted: the
# mains or circuits. Parameter beside those of {counted}: edges (rising).
CIRCUIT_USES = f"""
SELECT span, is_main, sum(wh), sum(known_s), max(count(*)) OVER (PARTITION BY span, is_main) FROM (
    SELECT width_bucket(start, %(edges)s::timestamptz[]) - 1 AS span, is_main, device_id, channel,
        measured_wh + recovered_wh AS wh, {KNOWN_S} AS known_s
    FROM {{counted}}
) hour
GROUP BY span, is_main, device_id, channel
ORDER BY span, is_main, device_id, channel
"""

# The Wh between consecutive edges; {energy} is the SQL of which. Parameters as above.
ENERGY = """
SELECT width_bucket(start, %(edges)s::timestamptz[]) - 1, sum({energy}) FROM {counted} GROUP BY 1
"""

# The Wh that circuits used in each hour, the share (0 to 1) of the home's usual use for which that is known, and the Wh that they
# returned. Each circuit counts by its mean power, for the seconds covered, or for all of an hour in which a counter told what a gap used;
# from when it is first heard of until its device is retired, or is silent for longer than a bill. In an hour of the mains these alone do.
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
SELECT start, sum(wh), sum(known * mean_wh) / (
    SELECT sum(mean_wh) FROM circuit c WHERE c.is_main = b.is_main AND b.start BETWEEN first AND last
), sum(returned_wh)
FROM bucket b JOIN circuit USING (device_id, channel, is_main) GROUP BY start, b.is_main
"""

# The same by local date, with the known hours of each. Parameter beside those of {counted}: zone.
HOME_DAYS = f"""
SELECT (start AT TIME ZONE %(zone)s)::date AS day, sum(wh), sum(known_share)
FROM ({HOME_HOURS}) AS hour (start, wh, known_share) GROUP BY day
"""
