"""Which device a topic prefix belongs to.

The broker lets each account write below its own prefix alone, but what a frame says of its sender anybody can write. So the first prefix
under which a device's messages come stays its own, unless none has come under it for a while: its owner may have set another one. A prefix
that names the MAC is always the device's: the account of that name is its own. What prefix is whose, frames prove; Redis keeps it.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import structlog
from django.db import Error as DatabaseError
from redis.asyncio import Redis

from common.async_database import in_database
from devices.presence.status_requests import note_prefixes
from devices.selectors import macs_by_whole_prefix
from telemetry.ingest.device_state import DeviceStates, keep_latest
from telemetry.shelly.merge import DeviceState
from telemetry.shelly.mqtt_messages import DeviceMessage, names_device

log = structlog.get_logger(__name__)

PREFIXES = "ecowatt:prefixes"
SILENT_S = 600.0
MOST = 100_000
# Redis gets again what it may have lost, and what another process wrote otherwise meanwhile.
WRITE_AGAIN_S = 600.0
UNKNOWN_S = 30.0
RETRY_S, LONGEST_RETRY_S = 0.5, 5.0


def may_use(message: DeviceMessage, state: DeviceState) -> bool:
    """Tell whether the message's prefix may be the device's."""
    prefix, own = message.prefix, state.prefix
    return prefix == own or not own or message.at - state.prefix_at >= SILENT_S or names_device(prefix, message.mac)


def proven_prefixes(messages: Iterable[DeviceMessage]) -> dict[str, str]:
    """Return the prefix by the MAC of the device that used it, of those messages that name both."""
    return {
        one.mac: one.prefix for one in messages if one.prefix and (one.origin != "topic" or names_device(one.prefix, one.mac))
    }


class TopicPrefixes:
    """The prefixes that one process knows, beside Redis.

    unproven: those that some device is said to have, though no frame has proven it; whoever listens there is to be asked.
    """

    def __init__(self, store: Redis, states: DeviceStates) -> None:
        self._store = store
        self._states = states
        self._macs: OrderedDict[str, str] = OrderedDict()
        self._written: dict[str, str] = {}
        self._written_since = time.monotonic()
        self._unknown: dict[str, float] = {}
        self.unproven: set[str] = set()

    async def attributed(self, messages: Sequence[DeviceMessage]) -> tuple[list[DeviceMessage], int]:
        """Return the messages, each with the MAC of its device, and how many are left out, since their prefix is nobody's."""
        asked = {one.prefix for one in messages if not one.mac}
        if not asked:
            return list(messages), 0
        named = {one.prefix: one.mac for one in messages if one.mac and one.prefix}
        macs = named | await self._known_macs(asked)  # who proved it first comes first
        found = [one if one.mac else one._replace(mac=macs[one.prefix]) for one in messages if one.mac or one.prefix in macs]
        return found, len(messages) - len(found)

    async def _known_macs(self, prefixes: set[str]) -> dict[str, str]:
        pause_s = RETRY_S
        while True:
            try:
                return await self.macs_of(prefixes)
            except DatabaseError as error:
                log.error("prefixes not looked up, trying again", error=type(error).__name__)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, LONGEST_RETRY_S)

    async def macs_of(self, prefixes: Iterable[str]) -> dict[str, str]:
        """Return the MACs behind prefixes of the owners' own, as frames have proven them. Raises django.db.Error.

        One that an owner has typed proves nothing: who listens there is asked, and the answer does.
        """
        now = time.monotonic()
        asked = [prefix for prefix in prefixes if self._unknown.get(prefix, 0.0) < now]
        if not asked:
            return {}
        found = await self._read(asked)
        if missing := [prefix for prefix in asked if prefix not in found]:
            self.unproven |= (await in_database(macs_by_whole_prefix, missing)).keys()
        if len(self._unknown) > MOST:
            self._unknown.clear()
        self._unknown |= {prefix: now + UNKNOWN_S for prefix in asked if prefix not in found}
        return found

    async def write(self, prefixes: Mapping[str, str]) -> None:
        """Keep the prefix of each MAC, and the MAC of those prefixes that don't name it."""
        if time.monotonic() - self._written_since > WRITE_AGAIN_S or len(self._written) > MOST:
            self._written, self._written_since = {}, time.monotonic()
        fresh = {mac: prefix for mac, prefix in prefixes.items() if self._written.get(mac) != prefix}
        if not fresh:
            return
        own = await self._free({prefix: mac for mac, prefix in fresh.items() if not names_device(prefix, mac)})
        keep_latest(self._macs, own, MOST)
        for prefix in own:
            self._unknown.pop(prefix, None)
        if await self._states.ask(lambda: self._write(fresh, own)):
            self._written |= fresh

    async def _free(self, own: dict[str, str]) -> dict[str, str]:
        """Return those of the prefixes under which no other device's messages have come lately."""
        others = {prefix: mac for prefix, mac in (await self._read(own)).items() if mac != own[prefix]} if own else {}
        states, now = await self._states.read(set(others.values())), time.time()
        held = {
            prefix for prefix, mac in others.items() if states[mac].prefix == prefix and now - states[mac].prefix_at < SILENT_S
        }
        return {prefix: mac for prefix, mac in own.items() if prefix not in held}

    async def _read(self, prefixes: Collection[str]) -> dict[str, str]:
        asked = list(prefixes)
        stored = await self._states.ask(lambda: self._store.hmget(PREFIXES, asked))
        found = {prefix: mac for prefix in asked if (mac := self._macs.get(prefix))}
        return found | {
            prefix: mac.decode() if isinstance(mac, bytes) else mac
            for prefix, mac in zip(asked, stored or (), strict=False)
            if mac
        }

    async def _write(self, prefixes: dict[str, str], own: dict[Any, Any]) -> bool:
        await note_prefixes(self._store, prefixes)
        if own:
            await self._store.hset(PREFIXES, mapping=own)
        return True
