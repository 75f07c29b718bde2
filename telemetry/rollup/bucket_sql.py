"""The SQL that writes buckets: five minutes from what was computed, hours from five minutes."""

from telemetry.columns import BUCKET_KEY, BUCKET_VALUES, Columns, Flag

WRITTEN = Columns((*BUCKET_KEY, *BUCKET_VALUES))
IS_MEASURED = f"flags & {Flag.IMPORTED} = 0"

# How buckets make a wider one. It counts as imported only where all of them are: what is measured in it must not be overwritten.
# (PostgreSQL gives & and | one precedence, from left to right.) A sum of floats depends on their order, so the buckets come by start:
# what is exported, imported elsewhere and summed there gives the same bytes again.
_SUM = {
    "measured_wh": "sum(measured_wh)",
    "recovered_wh": "sum(recovered_wh)",
    "returned_wh": "sum(returned_wh)",
    "covered_s": "sum(covered_s)",
    "samples": "sum(samples)::int",
    "power_min_w": "min(power_min_w)",
    "power_mean_w": "CASE WHEN sum(covered_s) > 0 THEN sum(power_mean_w * covered_s) / sum(covered_s) ELSE avg(power_mean_w) END",
    "power_max_w": "max(power_max_w)",
    "voltage_v": "sum(voltage_v * samples) / nullif(sum(samples) FILTER (WHERE voltage_v IS NOT NULL), 0)",
    "current_a": "sum(current_a * samples) / nullif(sum(samples) FILTER (WHERE current_a IS NOT NULL), 0)",
    "flags": f"((bit_or(flags) & ~{Flag.IMPORTED}) | (bit_and(flags) & {Flag.IMPORTED}))::smallint",
}
SUMS = ", ".join(f"{_SUM[name]} AS {name}" for name in BUCKET_VALUES.names)


def upsert(table: str, rows: str, only: str = "true") -> str:
    """Return the statement that writes buckets, touching only those that differ, and that the condition on b and excluded lets go."""
    assignments = ", ".join(f"{name} = excluded.{name}" for name in BUCKET_VALUES.names)
    old, new = (", ".join(f"{source}.{name}" for name in BUCKET_VALUES.names) for source in ("b", "excluded"))
    return f"""
INSERT INTO {table} AS b ({WRITTEN.listed})
{rows}
ON CONFLICT (device_id, channel, start) DO UPDATE SET {assignments} WHERE ({old}) IS DISTINCT FROM ({new}) AND {only}
"""


# Parameters: a list for each column of WRITTEN; NaN stands for null.
_NULL_FOR_NAN = {column.name: f"nullif({column.name}, 'NaN')" for column in WRITTEN if column.is_nullable}
UPSERT_FIVE_MINUTES = upsert("telemetry_bucket_5m", f"SELECT {WRITTEN.select(**_NULL_FOR_NAN)} FROM {WRITTEN.unnest('c')}")

# Buckets of stale ranges that nothing was computed for; imported ones stay. Parameters: device_id[], channel[], lo[], hi[] of the
# ranges, then device_id[], channel[], start[] of what was computed. OFFSET keeps the planner at one short walk of the key for each span.
EMPTY_FIVE_MINUTES = f"""
SELECT p.device_id, p.channel, b.start FROM unnest(%s::int[], %s::smallint[], %s::timestamptz[], %s::timestamptz[])
    AS p (device_id, channel, lo, hi)
CROSS JOIN LATERAL (
    SELECT start FROM telemetry_bucket_5m b
    WHERE b.device_id = p.device_id AND b.channel = p.channel AND b.start >= p.lo AND b.start < p.hi AND {IS_MEASURED} OFFSET 0
) b
WHERE (p.device_id, p.channel, b.start) NOT IN (
    SELECT * FROM {BUCKET_KEY.unnest("c")}
)
"""
DELETE_FIVE_MINUTES = f"""
DELETE FROM telemetry_bucket_5m WHERE (device_id, channel, start) IN (
    SELECT * FROM {BUCKET_KEY.unnest("c")}
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
UPSERT_IMPORTED_HOURS = upsert("telemetry_bucket_1h", _HOURS, only=f"(NOT b.{IS_MEASURED} OR excluded.{IS_MEASURED})")
DELETE_HOURS = f"""
DELETE FROM telemetry_bucket_1h WHERE (device_id, channel, start) IN (
    SELECT p.device_id, p.channel, h.start FROM {_HOUR_SPANS} CROSS JOIN LATERAL (
        SELECT start FROM telemetry_bucket_1h h
        WHERE h.device_id = p.device_id AND h.channel = p.channel AND h.start >= p.lo AND h.start < p.hi AND {IS_MEASURED} OFFSET 0
    ) h
    WHERE NOT EXISTS (
        SELECT FROM telemetry_bucket_5m b
        WHERE b.device_id = p.device_id AND b.channel = p.channel AND b.start >= h.start AND b.start < h.start + interval '1 hour'
    )
)
"""
