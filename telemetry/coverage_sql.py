"""The SQL of what is known of circuits."""

# What each circuit drew between consecutive edges, and for how many seconds that is known: the seconds covered, but the whole of an
# hour in which a counter told what a gap used (flag 1). Parameters: edges (rising), device_ids, the first and the last edge.
CIRCUIT_USES = """
SELECT width_bucket(start, %s::timestamptz[]) - 1 AS span, sum(measured_wh + recovered_wh),
    sum(CASE WHEN flags & 1 <> 0 THEN 3600 ELSE covered_s::float8 END)
FROM telemetry_bucket_1h
WHERE device_id = ANY(%s) AND start >= %s AND start < %s
GROUP BY span, device_id, channel
ORDER BY span, device_id, channel
"""

# The Wh that circuits used in each hour, the share (0 to 1) of the home's usual use for which that is known, and the Wh that they
# returned. Each circuit that has been heard of before and after counts by its mean power, for the seconds covered, or for all of an hour in
# which a counter told what a gap used (flag 1, which old hours don't have, or its energy). Parameters: device_id[], start, end.
HOME_HOURS = """
WITH bucket AS (
    SELECT device_id, channel, start, measured_wh + recovered_wh AS wh, returned_wh,
        CASE WHEN flags & 1 <> 0 OR recovered_wh <> 0 THEN 1 ELSE least(covered_s / 3600, 1) END AS known
    FROM telemetry_bucket_1h WHERE device_id = ANY(%s) AND start >= %s AND start < %s
), circuit AS (
    SELECT device_id, channel, min(start) AS first, max(start) AS last, greatest(sum(wh) / nullif(sum(known), 0), 1) AS mean_wh
    FROM bucket GROUP BY device_id, channel
)
SELECT start, sum(wh), sum(known * mean_wh) / (SELECT sum(mean_wh) FROM circuit WHERE b.start BETWEEN first AND last),
    sum(returned_wh)
FROM bucket b JOIN circuit USING (device_id, channel) GROUP BY start
"""

# The same by local date, with the known hours of each. Parameters: time zone, then those of the hours.
HOME_DAYS = f"""
SELECT (start AT TIME ZONE %s)::date AS day, sum(wh), sum(known_share)
FROM ({HOME_HOURS}) AS hour (start, wh, known_share) GROUP BY day
"""
