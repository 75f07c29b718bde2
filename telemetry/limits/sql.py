"""The SQL of limits: where power stayed above one, and when energy reached one."""

from telemetry.history.sql import known_s
from telemetry.shelly.component_kinds import CHANNELS


def _readings(since: str, first: str, which: str) -> str:
    """Return the readings of a question's channel from some time until now, whichever component measured it.

    `first`, the least of all these times, spares the planner the partitions before it; `which` keeps it at a walk of the readings' key.
    """
    return f"""
telemetry_series s CROSS JOIN LATERAL (
    SELECT time, power_w FROM telemetry_reading r
    WHERE r.device_id = s.device_id AND r.channel = s.channel AND r.time > {since} AND r.time > {first} AND r.time <= %(now)s {which}
) r WHERE s.device_id = a.device_id AND s.channel %% {CHANNELS} = a.channel
"""


# Parameters by name, a list for each of: device_ids, channels, watts, lasting (intervals), starts, passed (null where there is none).
_ASKED = """
unnest(
    %(device_ids)s::int[], %(channels)s::smallint[], %(watts)s::float8[], %(lasting)s::interval[], %(starts)s::timestamptz[],
    %(passed)s::timestamptz[]
) WITH ORDINALITY AS a (device_id, channel, power_w, lasting, start, passed_at, number)
"""
# Those whose power was never lower lately, but was after it passed the limit before: by readings in the five minutes after that, by buckets
# from there on, for that may be weeks ago.
_LOWER = "AND r.power_w <= a.power_w ORDER BY time {order} LIMIT 1"
_LOWER_LATELY = _readings("%(now)s::timestamptz - a.lasting", "%(first)s", _LOWER.format(order="DESC"))
_LOWER_SOON = _readings(
    "a.passed_at", "%(first_passed)s", "AND r.time < a.passed_at + interval '5 minutes' " + _LOWER.format(order="ASC")
)
_LOWER_LATER = """
telemetry_bucket_5m b WHERE b.device_id = a.device_id AND b.channel = a.channel AND b.start >= a.passed_at AND b.power_min_w <= a.power_w
"""
_CANDIDATES = f"""(
    SELECT * FROM {_ASKED}
    WHERE NOT EXISTS (SELECT FROM {_LOWER_LATELY})
      AND (a.passed_at IS NULL OR EXISTS (SELECT FROM {_LOWER_SOON}) OR EXISTS (SELECT FROM {_LOWER_LATER}))
    OFFSET 0
) a"""
# Stretches in which every reading is above a power, none further from the one before than the roll-up's rules let it be: so nothing in them
# is unknown. Of those between two readings that are not above, the first that lasts long enough counts. Parameters beside those: now,
# first, first_passed, counter_gap, power_gap (of channels without a counter).
_STRETCHES = f"""
SELECT a.number, passing.*
FROM {{asked}} CROSS JOIN LATERAL (
    SELECT DISTINCT ON (falls) since, time AS passed_at, until, mean_w, until = newest AS is_newest
    FROM (
        SELECT falls, time, newest, min(time) OVER stretch AS since, max(time) OVER stretch AS until,
            avg(power_w) OVER (stretch ORDER BY time) AS mean_w
        FROM (
            SELECT *, count(*) FILTER (WHERE is_after_gap) OVER (ORDER BY time) AS gaps
            FROM (
                SELECT r.time, r.power_w, max(r.time) OVER () AS newest,
                    count(*) FILTER (WHERE r.power_w <= a.power_w) OVER (ORDER BY r.time) AS falls,
                    r.time - lag(r.time) OVER (ORDER BY r.time)
                        > CASE WHEN s.counter_first IS NULL THEN %(power_gap)s::interval ELSE %(counter_gap)s END AS is_after_gap
                FROM {_readings("a.start", "%(first)s", "ORDER BY time OFFSET 0")}
            ) reading
        ) reading
        WHERE power_w > a.power_w
        WINDOW stretch AS (PARTITION BY falls, gaps)
    ) above
    WHERE time >= since + a.lasting
    ORDER BY falls, time
) passing
ORDER BY a.number, passing.passed_at
"""
EVERY_STRETCH = _STRETCHES.format(asked=_ASKED)
LAST_STRETCHES = _STRETCHES.format(asked=_CANDIDATES)

# What channels are known to have used in [start, until), and the end of the five minutes in which that reached an energy, with what it was
# then. Parameters by name, a list for each of: device_ids, channels, starts, ends, wh. Returns for each question that any bucket answers
# its number, the Wh, for how many seconds they are known, and for how many readings cover the time.
USES = f"""
SELECT number, sum(wh) AS wh, sum(known_s) AS known_s, sum(covered_s) AS covered_s,
    min(start) FILTER (WHERE total_wh >= limit_wh) + interval '5 minutes' AS passed_at,
    (array_agg(total_wh ORDER BY start) FILTER (WHERE total_wh >= limit_wh))[1] AS passed_wh
FROM (
    SELECT *, sum(wh) OVER (PARTITION BY number ORDER BY start) AS total_wh
    FROM (
        SELECT a.number, a.limit_wh, b.start, b.measured_wh + b.recovered_wh AS wh, {known_s(300)} AS known_s,
            least(b.covered_s, 300)::float8 AS covered_s
        FROM unnest(%(device_ids)s::int[], %(channels)s::smallint[], %(starts)s::timestamptz[], %(ends)s::timestamptz[], %(wh)s::float8[])
            WITH ORDINALITY AS a (device_id, channel, start, until, limit_wh, number)
        JOIN telemetry_bucket_5m b ON b.device_id = a.device_id AND b.channel = a.channel AND b.start >= a.start AND b.start < a.until
    ) bucket
) bucket
GROUP BY number
"""
