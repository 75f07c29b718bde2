"""From a batch of MQTT messages to committed readings. The broker may be answered when `commit` has returned, and not before."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import structlog
from django.conf import settings
from django.db import Error as DatabaseError
from redis.asyncio import Redis

from devices.discovery import UnprovenDevice
from devices.presence.reporter import presence_reporter
from telemetry.ingest.message_limits import MINUTE_S, MinuteLimit
from telemetry.ingest.writer import Outcome
from telemetry.mqtt.device_state import Memory
from telemetry.mqtt.drop_log import Tally
from telemetry.mqtt.status_topics import StatusTopics
from telemetry.mqtt.store_with_retry import LONGEST_RETRY_S, RETRY_S, store_patiently
from telemetry.mqtt.topic_prefixes import is_own, names
from telemetry.shelly.merge import UNHEARD, Remembered
from telemetry.shelly.merge_batch import UNREADABLE, Heard, Laid, lay, power_w, reason
from telemetry.shelly.mqtt_messages import DEVICE_ID, Notice, parse_message, parts_of
from telemetry.shelly.samples import PayloadError
from telemetry.shelly.status import is_switched_on

log = structlog.get_logger(__name__)


class Message(NamedTuple):
    """What came on a topic, and when (Unix time)."""

    topic: str
    payload: bytes
    at: float


class Intake:
    """Takes in batches for one process: the next one may be laid while one is being committed."""

    def __init__(self, store: Redis) -> None:
        """Keep the client for memory."""
        self._memory = Memory(store)
        self._status_topics = StatusTopics()
        self._limit = MinuteLimit()
        self._last: Mapping[str, Remembered] = {}
        self.tally = Tally()

    async def take(self, messages: Sequence[Message]) -> None:
        """Store what the messages say, trying again for as long as the database is away; cancelled, nothing counts as stored."""
        await self.commit(await self.lay(messages))

    async def lay(self, messages: Sequence[Message]) -> Laid:
        """Read the messages and lay them over what their devices said before, be it in the last batch, which may not be stored yet."""
        self.tally.counts["messages"] += len(messages)
        heard = await self._attributed(self._read(messages))
        known = await self._memory.recall({one.mac for one in heard})
        known |= {mac: one for mac, one in self._last.items() if mac in known and one.kept > known[mac].kept}
        heard = self._status_topics.heeded([one for one in heard if self._is_own(one, known)], known)
        laid = lay(heard, known, max_power_w=settings.TELEMETRY_MAX_POWER_W, admits=self._admits, refuse=self.tally.refuse)
        self._last = laid.changed
        return laid

    def take_unproved(self) -> set[str]:
        """Return the prefixes that were heard and that a device is said to have, since the last time: who listens there is to be asked."""
        unproved, self._memory.unproved = self._memory.unproved, set()
        return unproved

    async def commit(self, laid: Laid) -> None:
        """Store the readings of a batch, and what is known after it."""
        readings = [(mac, list(samples.values())) for mac, samples in laid.readings.items()]
        outcomes = await store_patiently(readings, self.tally)
        registered = {mac for mac, outcome in outcomes.items() if outcome.device is not None}
        changed = {mac: one for mac, one in laid.changed.items() if mac in outcomes and outcomes[mac].is_stored}
        await self._memory.keep(changed, _prefixes(laid.heard, registered))
        _report(laid, outcomes)

    def _is_own(self, one: Heard, known: Mapping[str, Remembered]) -> bool:
        if is_own(one.notice.speaker.prefix, one.mac, known.get(one.mac, UNHEARD), one.at):
            return True
        self.tally.refuse(one.mac, "what comes under another prefix than its own is not taken for it")
        return False

    def _admits(self, mac: str, time_s: float) -> bool:
        """Count by the message's own minute: what the broker kept for hours comes within seconds."""
        return self._limit.admits((mac, time_s // MINUTE_S), settings.TELEMETRY_MESSAGES_PER_DEVICE_PER_MINUTE)

    def _read(self, messages: Sequence[Message]) -> list[tuple[Notice, float]]:
        notices = []
        for topic, payload, at in messages:
            try:
                notice = parse_message(topic, payload)
                if notice is not None:
                    _require_own_topic(topic, notice)
                    notices.append((notice, at))
            except UNREADABLE as error:
                self.tally.refuse(_named(topic), reason(error))
        return notices

    async def _attributed(self, notices: list[tuple[Notice, float]]) -> list[Heard]:
        """Find the device behind each notice; a topic's prefix may be the owner's own."""
        taught = {one.speaker.prefix: one.speaker.mac for one, _at in notices if one.speaker.mac and one.speaker.prefix}
        asked = {one.speaker.prefix for one, _at in notices if one.speaker.mac is None}
        macs = taught | await self._macs_of(asked) if asked else taught  # who proved it first comes first
        heard = []
        for notice, at in notices:
            mac = notice.speaker.mac or macs.get(notice.speaker.prefix)
            if mac is None:
                self.tally.counts["of unknown prefix"] += 1
            else:
                heard.append(Heard(mac, notice, at))
        return heard

    async def _macs_of(self, prefixes: set[str]) -> dict[str, str]:
        pause = RETRY_S
        while True:
            try:
                return await self._memory.macs_of(prefixes)
            except DatabaseError as error:
                log.error("prefixes not looked up, trying again", error=type(error).__name__)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_RETRY_S)


def _named(topic: str) -> str:
    """Return the MAC in the topic's prefix, or the prefix, to count by."""
    prefix, _rest = parts_of(topic)
    match = DEVICE_ID.fullmatch(prefix)
    return match["mac"].lower() if match else prefix[:100]


def _require_own_topic(topic: str, notice: Notice) -> None:
    """Refuse what one device says on the topic of another, be it an answer: the broker lets each write on its own alone."""
    owner = next((match for part in topic.split("/") if (match := DEVICE_ID.fullmatch(part))), None)
    if owner and owner["mac"].lower() != notice.speaker.mac:
        raise PayloadError("El mensaje viene de otro dispositivo.", "src")


def _prefixes(heard: list[Heard], registered: set[str]) -> dict[str, str]:
    """Return the topic prefix of each registered device that named both."""
    return {
        mac: one.prefix
        for _mac, notice, _at in heard
        if (one := notice.speaker).prefix and (mac := one.mac) and mac in registered
    }


def _report(laid: Laid, outcomes: dict[str, Outcome]) -> None:
    """Report who is alive, who may be gone, and what unproven devices sent."""
    reporter = presence_reporter()
    for mac, notice, at in laid.heard:
        outcome = outcomes.get(mac)
        if outcome is None:
            continue
        if outcome.device is not None:
            (reporter.alive if notice.is_online else reporter.last_will)(outcome.device.device_id, at)
        if notice.is_online and outcome.needs_proof:
            device = _unproven(mac, notice, power_w(laid.readings[mac]))
            reporter.unproven(device._replace(is_claimed=outcome.device is not None))


def _unproven(mac: str, notice: Notice, watts: float | None) -> UnprovenDevice:
    has_account = settings.MQTT_DEVICE_ACCOUNTS and names(notice.speaker.prefix, mac)
    is_on = is_switched_on(notice.components, watts)
    return UnprovenDevice(mac, notice.speaker.model, watts, None, has_account=has_account, is_on=is_on)
