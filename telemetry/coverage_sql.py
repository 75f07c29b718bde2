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

# The Wh that circuits used in each hour, and whether every circuit that has been heard of before and after is known: covered, or
# counted across a gap (flag 1, which old hours don't have, or its energy). Parameters: seconds that make an hour known, device_id[],
# start, end.
HOME_HOURS = """
WITH bucket AS (
    SELECT device_id, channel, start, measured_wh + recovered_wh AS wh,
        covered_s >= %s OR flags & 1 <> 0 OR recovered_wh <> 0 AS is_known
    FROM telemetry_bucket_1h WHERE device_id = ANY(%s) AND start >= %s AND start < %s
), life AS (
    SELECT min(start) AS first, max(start) AS last FROM bucket GROUP BY device_id, channel
)
SELECT start, sum(wh), count(*) FILTER (WHERE is_known) = (SELECT count(*) FROM life WHERE b.start BETWEEN first AND last)
FROM bucket b GROUP BY start
"""
