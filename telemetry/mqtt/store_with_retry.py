"""Readings stored however long it takes: over MQTT the broker keeps what is not acknowledged, so there is nobody to send away."""

import asyncio

from telemetry.ingest.writer import DatabaseAway, Outcome, Overloaded, Refused, writer
from telemetry.mqtt.drop_log import Tally
from telemetry.shelly.samples import Sample

RETRY_S = 0.5
LONGEST_RETRY_S = 5.0

Readings = list[tuple[str, list[Sample]]]


async def store_patiently(readings: Readings, tally: Tally) -> dict[str, Outcome]:
    """Return what became of each device's readings after the commit; without those of devices whose values the database refuses."""
    pause = RETRY_S
    while readings:
        try:
            outcomes = await writer().store(dict(readings))
        except Refused:
            return await _store_apart(readings, tally)
        except (DatabaseAway, Overloaded):
            tally.counts["retries"] += 1
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_RETRY_S)
        else:
            _count(readings, outcomes, tally)
            return outcomes
    return {}


async def _store_apart(readings: Readings, tally: Tally) -> dict[str, Outcome]:
    """Store device by device, so that a value that the database refuses costs no other device's readings."""
    if len(readings) == 1:
        tally.refuse(readings[0][0], "the database refuses a value")
        return {}
    outcomes: dict[str, Outcome] = {}
    for one in readings:
        outcomes |= await store_patiently([one], tally)
    return outcomes


def _count(readings: Readings, outcomes: dict[str, Outcome], tally: Tally) -> None:
    for mac, samples in readings:
        if samples:
            outcome = outcomes[mac]
            if outcome.is_partial:
                tally.refuse(mac, "a channel or a power beyond its model")
            kind = "of inactive devices" if outcome.device else "of unknown devices"
            tally.counts["readings" if outcome.is_stored else kind] += len(samples)
