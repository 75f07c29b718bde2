"""The SQL that writes buckets: five minutes from what was computed, hours from five minutes."""

BUCKET_COLUMNS = (
    "measured_wh, recovered_wh, returned_wh, covered_s, samples, power_min_w, power_mean_w, power_max_w,"
    " voltage_v, current_a, flags"
)

# How buckets make a wider one. It counts as imported (8) only where all of them are: what is measured in it must not be overwritten.
# (PostgreSQL gives & and | one precedence, from left to right.) A sum of floats depends on their order, so the buckets come by start:
# what is exported, imported elsewhere and summed there gives the same bytes again.
SUMS = """
sum(measured_wh) AS measured_wh, sum(recovered_wh) AS recovered_wh, sum(returned_wh) AS returned_wh, sum(covered_s) AS covered_s,
sum(samples)::int AS samples, min(power_min_w) AS power_min_w,
CASE WHEN sum(covered_s) > 0 THEN sum(power_mean_w * covered_s) / sum(covered_s) ELSE avg(power_mean_w) END AS power_mean_w,
max(power_max_w) AS power_max_w,
sum(voltage_v * samples) / nullif(sum(samples) FILTER (WHERE voltage_v IS NOT NULL), 0) AS voltage_v,
sum(current_a * samples) / nullif(sum(samples) FILTER (WHERE current_a IS NOT NULL), 0) AS current_a,
((bit_or(flags) & ~8) | (bit_and(flags) & 8))::smallint AS flags
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
    SELECT date_trunc('hour', start, 'UTC') AS start, {SUMS} FROM (
        SELECT * FROM telemetry_bucket_5m b
        WHERE b.device_id = p.device_id AND b.channel = p.channel AND b.start >= p.lo AND b.start < p.hi ORDER BY start
    ) b GROUP BY 1
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
