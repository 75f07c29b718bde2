"""The SQL of readings: stored, and the last known. For buckets see rollup/ and history/."""

from collections.abc import Iterable
from typing import Any

from telemetry.columns import READING, READING_KEY, READING_VALUES, Column, Columns
from telemetry.constants import LATE_AFTER
from telemetry.shelly.component_kinds import CHANNELS
from telemetry.shelly.samples import Sample

# A device's id and what a sample says of it, in the sample's order.
COPIED = Columns((*READING_KEY, *READING_VALUES))
COPY_READINGS = f"COPY telemetry_reading ({COPIED.listed}) FROM STDIN (FORMAT binary)"
COPY_TYPES = COPIED.types
_SAMPLES = Columns((*COPIED, Column("kind", "int2")))
STORED = len(_SAMPLES) - 1  # fields of a sample: all but what its relay is

# Readings in one statement and one commit: store what is new, note new series and late times. A reading of another kind of component than
# the channel's usual one is of a series of its own (component_kinds.py). Parameters: store_parameters(). Returns for each channel how many
# readings were new in all, the device, the channel and its usual kind.
STORE_BY_ID = f"""
WITH fresh AS MATERIALIZED (
    SELECT * FROM {_SAMPLES.unnest("i", ordinality="place")}
), heard AS MATERIALIZED (
    SELECT f.device_id, f.channel, f.kind, s.kind AS usual FROM (
        SELECT DISTINCT ON (device_id, channel) device_id, channel, kind FROM fresh ORDER BY device_id, channel, kind = 0, place
    ) f LEFT JOIN telemetry_series s ON s.device_id = f.device_id AND s.channel = f.channel
), named AS (
    INSERT INTO telemetry_series AS s (device_id, channel, kind)
    SELECT device_id, channel, kind FROM heard WHERE usual IS NULL OR usual = 0 AND kind <> 0
    ON CONFLICT (device_id, channel) DO UPDATE SET kind = CASE WHEN s.kind = 0 THEN excluded.kind ELSE s.kind END
    RETURNING device_id, channel, kind
), usual AS MATERIALIZED (
    SELECT h.device_id, h.channel, coalesce(n.kind, h.usual) AS kind FROM heard h LEFT JOIN named n USING (device_id, channel)
), placed AS MATERIALIZED (
    SELECT f.*, (f.channel + CASE WHEN f.kind IN (0, u.kind) THEN 0 ELSE {CHANNELS} * f.kind END)::smallint AS number
    FROM fresh f JOIN usual u USING (device_id, channel)
), stored AS (
    INSERT INTO telemetry_reading ({READING.listed})
    SELECT {READING.select(returned_wh="nullif(returned_wh, 0)", channel="number")} FROM placed
    ON CONFLICT DO NOTHING
    RETURNING 1
), other AS (
    INSERT INTO telemetry_series (device_id, channel, kind)
    SELECT DISTINCT device_id, number, kind FROM placed WHERE number >= {CHANNELS} ON CONFLICT DO NOTHING
), late AS (
    INSERT INTO telemetry_latespan (device_id, channel, from_time, to_time)
    SELECT device_id, number, min(time), max(time) FROM placed WHERE time < now() - %s::interval
    GROUP BY device_id, number, date_bin('1 hour', time, 'epoch')
)
SELECT (SELECT count(*) FROM stored), device_id, channel, kind FROM usual
"""


def store_parameters(rows: Iterable[tuple[int, Sample]]) -> list[Any]:
    """Return the parameters of STORE_BY_ID for pairs of device id and sample; every sample must have a time."""
    return [*map(list, zip(*((device_id, *sample[:STORED]) for device_id, sample in rows), strict=True)), LATE_AFTER]


# The counters around late readings, of those that are dated before a known one. Parameters: device_id[], channel[], time[], kind[]. Returns
# which of the readings, counted from one, the number of its series, when the next counter is, what the counter before says (drawn,
# returned; null where there is none), and what the next one does.
NEIGHBOURS = f"""
SELECT p.place, p.number, after.time, before.energy_wh, before.returned_wh, after.energy_wh, after.returned_wh
FROM (
    SELECT i.device_id, i.time, i.place,
        (i.channel + CASE WHEN i.kind IN (0, s.kind) OR s.kind = 0 THEN 0 ELSE {CHANNELS} * i.kind END)::smallint AS number
    FROM unnest(%s::int[], %s::smallint[], %s::timestamptz[], %s::smallint[]) WITH ORDINALITY AS i (device_id, channel, time, kind, place)
    JOIN telemetry_series s ON s.device_id = i.device_id AND s.channel = i.channel
) p CROSS JOIN LATERAL (
    SELECT time, energy_wh, returned_wh FROM telemetry_reading r
    WHERE r.device_id = p.device_id AND r.channel = p.number AND r.time > p.time AND r.energy_wh IS NOT NULL
    ORDER BY time LIMIT 1
) after LEFT JOIN LATERAL (
    SELECT energy_wh, returned_wh FROM telemetry_reading r
    WHERE r.device_id = p.device_id AND r.channel = p.number AND r.time < p.time AND r.energy_wh IS NOT NULL
    ORDER BY time DESC LIMIT 1
) before ON true
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
LAST_READINGS = f"""
SELECT DISTINCT ON (channel %% {CHANNELS}) channel %% {CHANNELS}, time, power_w, voltage_v, current_a
FROM telemetry_series s CROSS JOIN LATERAL (
    SELECT time, power_w, voltage_v, current_a FROM telemetry_reading r
    WHERE r.device_id = s.device_id AND r.channel = s.channel AND r.time >= %s ORDER BY time DESC LIMIT 1
) last WHERE s.device_id = %s ORDER BY 1, time DESC
"""
