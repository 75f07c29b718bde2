"""From a batch of MQTT messages to committed readings. The broker may be answered when `take` has returned, and not before."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import structlog
from django.conf import settings
from django.db import Error as DatabaseError
from redis.asyncio import Redis

from devices.strangers import Stranger
from telemetry.complaints import Complaints
from telemetry.constants import RPC_REPLIES
from telemetry.frames import DEVICE_ID, Notice, parse_message
from telemetry.memory import UNHEARD, Memory, Remembered
from telemetry.overlay import lay_over
from telemetry.rows import trusted_time
from telemetry.samples import PayloadError, Sample
from telemetry.writer import DatabaseAway, Outcome, Overloaded, Refused, writer

log = structlog.get_logger(__name__)

RETRY_S = 0.5
LONGEST_RETRY_S = 5.0
# PayloadError, and what nobody thought of: a message that can't be read would come again for ever, and hold up all others.
UNREADABLE = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError)
# Answers tell their time in whole seconds, notifications in hundredths.
WHOLE_SECOND_S = 1.0


class Message(NamedTuple):
    """What came on a topic, and when (Unix time)."""

    topic: str
    payload: bytes
    at: float


class _Heard(NamedTuple):
    mac: str
    notice: Notice
    at: float


class _Laid(NamedTuple):
    """A batch laid over the memory: what is new of each device, and the readings by channel and time."""

    changed: dict[str, Remembered]
    readings: dict[str, dict[tuple[int, datetime | None], Sample]]


class Intake:
    """Takes in batches, one after the other, for one process."""

    def __init__(self, store: Redis) -> None:
        """Keep the client for memory and presence."""
        self._store = store
        self._memory = Memory(store)
        self._complaints = Complaints()
        self.counts: Counter[str] = Counter()

    async def take(self, messages: Sequence[Message]) -> None:
        """Store what the messages say, trying again for as long as the database is away; cancelled, nothing counts as stored."""
        self.counts["messages"] += len(messages)
        heard = await self._attributed(self._read(messages))
        laid = self._laid(heard, await self._memory.recall({one.mac for one in heard}))
        outcomes = await self._stored(laid)
        registered = {mac for mac, outcome in outcomes.items() if outcome is not Outcome.UNKNOWN}
        changed = {mac: one for mac, one in laid.changed.items() if outcomes.get(mac) is Outcome.STORED}
        await self._memory.keep(changed, _prefixes(heard, registered))
        _report(heard, laid, outcomes)

    def tell(self) -> None:
        """Log what was dropped, once a minute for each device."""
        self._complaints.tell()

    def refuse(self, device: str, reason: str) -> None:
        """Count a message that can't be used."""
        self.counts["dropped"] += 1
        self._complaints.note(device, reason)

    def _read(self, messages: Sequence[Message]) -> list[tuple[Notice, float]]:
        notices = []
        for topic, payload, at in messages:
            try:
                notice = parse_message(topic, payload)
                if notice is not None:
                    _require_own_topic(topic, notice)
                    notices.append((notice, at))
            except UNREADABLE as error:
                self.refuse(_named(topic), _reason(error))
        return notices

    async def _attributed(self, notices: list[tuple[Notice, float]]) -> list[_Heard]:
        """Find the device behind each notice; a topic's prefix may be the owner's own."""
        taught = {one.speaker.prefix: one.speaker.mac for one, _at in notices if one.speaker.mac and one.speaker.prefix}
        asked = {one.speaker.prefix for one, _at in notices if one.speaker.mac is None} - taught.keys()
        macs = taught | await self._macs_of(asked) if asked else taught
        heard = []
        for notice, at in notices:
            mac = notice.speaker.mac or macs.get(notice.speaker.prefix)
            if mac is None:
                self.counts["of unknown prefix"] += 1
            else:
                heard.append(_Heard(mac, notice, at))
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

    def _laid(self, heard: list[_Heard], known: dict[str, Remembered]) -> _Laid:
        """Lay the notices over what is known, in their order."""
        laid = _Laid({}, {one.mac: {} for one in heard})
        limit = settings.TELEMETRY_MAX_POWER_W
        for mac, notice, at in heard:
            if not notice.components:
                continue
            before = known.get(mac, UNHEARD)
            time = trusted_time(notice.time, datetime.fromtimestamp(at, UTC))
            try:
                after, samples = lay_over(before.known, notice, time, max_power_w=limit)
            except UNREADABLE as error:
                self.refuse(mac, _reason(error))
                continue
            own_s = time.timestamp() if time is notice.time else None
            if not _is_late(own_s, notice, before):
                laid.changed[mac] = known[mac] = Remembered(after, max(own_s or 0.0, before.device_time), at)
            _add(laid.readings[mac], samples)
        return laid

    async def _stored(self, laid: _Laid) -> dict[str, Outcome]:
        """Return each device's outcome after the commit."""
        readings = [(mac, list(samples.values())) for mac, samples in laid.readings.items()]
        pause = RETRY_S
        while readings:
            try:
                outcomes = await writer().store(readings)
            except Refused:
                return await self._stored_apart(readings)
            except (DatabaseAway, Overloaded):
                self.counts["retries"] += 1
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_RETRY_S)
            else:
                self._count(readings, outcomes)
                return outcomes
        return {}

    async def _stored_apart(self, readings: list[tuple[str, list[Sample]]]) -> dict[str, Outcome]:
        """Store device by device, so that a value that the database refuses costs no other device's readings."""
        if len(readings) == 1:
            self.refuse(readings[0][0], "the database refuses a value")
            return {}
        outcomes: dict[str, Outcome] = {}
        for mac, samples in readings:
            outcomes |= await self._stored(_Laid({}, {mac: {(one.channel, one.time): one for one in samples}}))
        return outcomes

    def _count(self, readings: list[tuple[str, list[Sample]]], outcomes: dict[str, Outcome]) -> None:
        for mac, samples in readings:
            if samples:
                self.counts["readings" if outcomes[mac] is Outcome.STORED else f"of {outcomes[mac].value} devices"] += len(
                    samples
                )


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, PayloadError) else f"{type(error).__name__}: {error}"


def _named(topic: str) -> str:
    """Return the MAC in the topic's prefix, or the prefix, to count by."""
    prefix = topic.removeprefix(f"{RPC_REPLIES}/").partition("/")[2 if topic.startswith(RPC_REPLIES) else 0].partition("/")[0]
    match = DEVICE_ID.fullmatch(prefix)
    return match["mac"].lower() if match else prefix[:100]


def _require_own_topic(topic: str, notice: Notice) -> None:
    """Refuse what one device says on the topic of another, be it an answer: the broker lets each write on its own alone."""
    owner = next((match for part in topic.split("/") if (match := DEVICE_ID.fullmatch(part))), None)
    if owner and owner["mac"].lower() != notice.speaker.mac:
        raise PayloadError("El mensaje viene de otro dispositivo.", "src")


def _is_late(own_s: float | None, notice: Notice, before: Remembered) -> bool:
    """Tell whether what is known is newer, by the device's own clock: then the notice makes readings and changes nothing known."""
    return own_s is not None and own_s + (WHOLE_SECOND_S if notice.is_full else 0.0) < before.device_time


def _prefixes(heard: list[_Heard], registered: set[str]) -> dict[str, str]:
    """Return the topic prefix of each registered device that named both."""
    return {
        mac: one.prefix
        for _mac, notice, _at in heard
        if (one := notice.speaker).prefix and (mac := one.mac) and mac in registered
    }


def _report(heard: list[_Heard], laid: _Laid, outcomes: dict[str, Outcome]) -> None:
    """Tell `devices` who is alive, who may be gone, and which strangers speak."""
    presence = writer().presence
    for mac, notice, at in heard:
        outcome = outcomes.get(mac)
        if outcome is Outcome.UNKNOWN and notice.is_online:
            presence.stranger(Stranger(mac, notice.speaker.model, _power(laid.readings[mac]), None))
        elif outcome in (Outcome.STORED, Outcome.INACTIVE):
            (presence.alive if notice.is_online else presence.doubt)(mac, at)


def _add(readings: dict[tuple[int, datetime | None], Sample], samples: list[Sample]) -> None:
    """Add readings; of two for the same moment the later one counts, with the counter that either has."""
    for sample in samples:
        key = (sample.channel, sample.time)
        earlier = readings.get(key)
        if earlier is not None and sample.energy_wh is None:
            sample = sample._replace(energy_wh=earlier.energy_wh, returned_wh=earlier.returned_wh)
        readings[key] = sample


def _power(readings: dict[tuple[int, datetime | None], Sample]) -> float | None:
    """Return the last power of all channels together."""
    last = {channel: sample.power_w for (channel, _time), sample in readings.items()}
    return sum(last.values()) if last else None
