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
