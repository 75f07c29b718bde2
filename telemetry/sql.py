"""The SQL of readings: stored, and the last known. For buckets see rollup_sql.py, bucket_sql.py, history_sql.py."""

# The registered devices among some MACs, with the channels that their owners named. Parameter: mac[].
DEVICES_BY_MAC = """
SELECT hardware_id, id::int, is_active, proven_at IS NOT NULL, model,
    ARRAY(SELECT number::int FROM devices_channel c WHERE c.device_id = d.id)
FROM devices_device d WHERE hardware_id = ANY(%s) AND retired_at IS NULL
"""

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

# Whether channels return energy, as the last reading that had a counter says. Parameters: device_id[], channel[].
RETURNING_CHANNELS = """
SELECT s.device_id, s.channel, coalesce(last.returned_wh > 0, false)
FROM unnest(%s::int[], %s::smallint[]) AS s (device_id, channel) LEFT JOIN LATERAL (
    SELECT returned_wh FROM telemetry_reading r
    WHERE r.device_id = s.device_id AND r.channel = s.channel AND r.energy_wh IS NOT NULL AND r.time > now() - interval '7 days'
    ORDER BY time DESC LIMIT 1
) last ON true
"""

# The last reading of each channel of a device since a time. Parameters: since, device_id.
LAST_READINGS = """
SELECT channel, time, power_w, voltage_v, current_a FROM telemetry_series s CROSS JOIN LATERAL (
    SELECT time, power_w, voltage_v, current_a FROM telemetry_reading r
    WHERE r.device_id = s.device_id AND r.channel = s.channel AND r.time >= %s ORDER BY time DESC LIMIT 1
) last WHERE s.device_id = %s ORDER BY channel
"""
