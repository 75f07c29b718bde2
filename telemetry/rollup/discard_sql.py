"""The SQL of a span of readings that is discarded.

Parameters by name: device_id, start, end, and the whole hours around them: from_hour, to_hour.
"""

# How much each removes is their row count.
READINGS = "DELETE FROM telemetry_reading WHERE device_id = %(device_id)s AND time >= %(start)s AND time < %(end)s"
FIVE_MINUTES = "DELETE FROM telemetry_bucket_5m WHERE device_id = %(device_id)s AND start >= %(start)s AND start < %(end)s"

# Hours of which no five minutes are left, be it that these were discarded or that the retention took them.
HOURS = """
DELETE FROM telemetry_bucket_1h h
WHERE device_id = %(device_id)s AND start >= %(from_hour)s AND start < %(to_hour)s AND NOT EXISTS (
    SELECT FROM telemetry_bucket_5m b
    WHERE b.device_id = h.device_id AND b.channel = h.channel AND b.start >= h.start AND b.start < h.start + interval '1 hour'
)
"""
ENERGY = """
SELECT coalesce(sum(measured_wh + recovered_wh), 0) FROM telemetry_bucket_1h
WHERE device_id = %(device_id)s AND start >= %(from_hour)s AND start < %(to_hour)s
"""

# The next roll-up computes what lies around.
NOTE = """
INSERT INTO telemetry_latespan (device_id, channel, from_time, to_time)
SELECT device_id, channel, %(start)s, %(end)s FROM telemetry_series WHERE device_id = %(device_id)s
"""
