"""What relays are, whoever switched them, as their devices' messages say it; written down only where it changes.

Redis knows when each relay was last found switched on and when off, so that messages that repeat it cost no query. The database learns of a
change first: a process that dies in between leaves work for the next message.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection
from redis.asyncio import Redis

from common.async_database import in_database
from devices.models import RelayState

# Sorted sets of `<device id>:<channel>` by Unix time.
TURNED_ON, TURNED_OFF = "ecowatt:relays:on", "ecowatt:relays:off"

# What relays were found to be. Parameters: device_id[], channel[], is_on[], since[]. What came late changes nothing, and a device may be
# deleted by now.
CHANGE = """
INSERT INTO devices_relaystate AS r (device_id, channel, is_on, since)
SELECT i.* FROM unnest(%s::bigint[], %s::smallint[], %s::bool[], %s::timestamptz[]) AS i (device_id, channel, is_on, since)
JOIN devices_device d ON d.id = i.device_id
ORDER BY i.device_id, i.channel
ON CONFLICT (device_id, channel) DO UPDATE SET is_on = excluded.is_on, since = excluded.since
WHERE r.is_on <> excluded.is_on AND r.since <= excluded.since
"""


class Relay(NamedTuple):
    device_id: int
    channel: int


class Output(NamedTuple):
    """Whether a relay is on, and when it was said, or since when it is so."""

    is_on: bool
    at: datetime


Outputs = Mapping[Relay, Output]


def relays_change(outputs: Outputs) -> Outputs:
    """Write down those of the relays that are otherwise than is known, and return what each is now, and since when (2 queries)."""
    rows = [(*relay, *output) for relay, output in outputs.items()]
    with connection.cursor() as cursor:
        cursor.execute(CHANGE, [list(column) for column in zip(*rows, strict=True)])
    known = RelayState.objects.filter(device__in={relay.device_id for relay in outputs})
    return {Relay(one.device_id, one.channel): Output(one.is_on, one.since) for one in known}


def relay_outputs(device_id: int) -> dict[int, bool]:
    """Return whether the relays of a device are on, by channel (1 query)."""
    return dict(RelayState.objects.filter(device=device_id).values_list("channel", "is_on"))


async def note_relays(store: Redis, outputs: Outputs) -> None:
    """Note what relays were said to be: one round trip where all are as before. Raises RedisError, OSError, django.db.Error."""
    if not outputs:
        return
    changed = await _changed(store, outputs)
    if not changed:
        return
    known = await in_database(relays_change, changed)
    async with store.pipeline(transaction=False) as pipe:
        for key, is_on in ((TURNED_ON, True), (TURNED_OFF, False)):
            times = {_member(relay): one.at.timestamp() for relay, one in known.items() if one.is_on == is_on}
            if times:
                pipe.zadd(key, dict[Any, Any](times), gt=True)
        await pipe.execute()


async def _changed(store: Redis, outputs: Outputs) -> Outputs:
    """Return those that are otherwise than Redis knows, or of which it knows nothing."""
    members = [_member(relay) for relay in outputs]
    async with store.pipeline(transaction=False) as pipe:
        pipe.zmscore(TURNED_ON, members)
        pipe.zmscore(TURNED_OFF, members)
        turned_on, turned_off = await pipe.execute()
    return {
        relay: said
        for (relay, said), on_at, off_at in zip(outputs.items(), turned_on, turned_off, strict=True)
        if _is_news(said, on_at or 0.0, off_at or 0.0)
    }


def _is_news(said: Output, on_at: float, off_at: float) -> bool:
    if on_at == off_at:  # nothing is known, or it was both in one moment
        return True
    return said.is_on != (on_at > off_at) and said.at.timestamp() >= max(on_at, off_at)


def _member(relay: Relay) -> str:
    return f"{relay.device_id}:{relay.channel}"
