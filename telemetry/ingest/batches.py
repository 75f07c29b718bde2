"""From a batch of devices' messages to committed readings, whichever way they came. They count as stored when `commit` has returned."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog
from django.conf import settings
from redis.asyncio import Redis

from devices.discovery import UnprovenDevice
from devices.learning import NO_CHANNELS, Identity
from devices.presence.reporter import presence_reporter
from devices.shelly_models import channels_of
from telemetry.ingest.device_state import DeviceStates
from telemetry.ingest.drop_log import DropLog
from telemetry.ingest.faults import notices_of
from telemetry.ingest.message_limits import MINUTE_S, MinuteLimit
from telemetry.ingest.writer import DatabaseAway, Outcome, Overloaded, Refused, writer
from telemetry.shelly.merge import DeviceState, lacks_status, merge, time_of
from telemetry.shelly.mqtt_messages import DeviceMessage
from telemetry.shelly.samples import PayloadError, Sample, trusted_time
from telemetry.shelly.status import is_switched_on

log = structlog.get_logger(__name__)

RETRY_S, LONGEST_RETRY_S = 0.5, 5.0
# PayloadError, and what nobody thought of: a message that can't be read would come again for ever, and hold up all others.
UNREADABLE = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError)


@dataclass(slots=True)
class DeviceBatch:
    """A device's part of a batch: its messages, its state after them, and the samples that they make, by channel and time.

    lacks_status: they change what the device has not told yet, so it is to be asked for its whole status.
    """

    state: DeviceState
    messages: list[DeviceMessage] = field(default_factory=list)
    samples: dict[tuple[int, datetime | None], Sample] = field(default_factory=dict)
    is_changed: bool = False
    lacks_status: bool = False

    def add(self, samples: Sequence[Sample]) -> None:
        """Add samples; of two for the same moment the later one counts, with what the earlier one alone says."""
        for sample in samples:
            key = (sample.channel, sample.time)
            self.samples[key] = _joined(self.samples[key], sample) if key in self.samples else sample

    @property
    def power_w(self) -> float | None:
        """The last power of all channels together; None without samples."""
        last = {sample.channel: sample.power_w for sample in self.samples.values() if sample.power_w is not None}
        return sum(last.values()) if last else None


def _joined(earlier: Sample, later: Sample) -> Sample:
    """Return what two samples of a channel say of one moment."""
    output = earlier.output if later.output is None else later.output
    if later.power_w is None:
        return earlier._replace(output=output)
    if later.energy_wh is None:
        later = later._replace(energy_wh=earlier.energy_wh, returned_wh=earlier.returned_wh)
    return later._replace(output=output) if later.output is not output else later


Batch = dict[str, DeviceBatch]


class DeviceBatches:
    """Processes the batches of one process: the next one may be merged while one is being committed."""

    def __init__(self, store: Redis) -> None:
        self._states = DeviceStates(store)
        self._limit = MinuteLimit()
        self._last: Batch = {}
        self._lacking: set[int] = set()
        self.counts: Counter[str] = Counter()
        self.drops = DropLog()
        self._logged: Counter[str] = Counter()

    async def merge_messages(self, messages: Sequence[DeviceMessage]) -> Batch:
        """Return what the messages say by MAC, merged into their devices' states, be these of the last batch, which may not be stored."""
        states = await self._states.read({one.mac for one in messages})
        for mac, last in self._last.items():
            if mac in states and last.is_changed and last.state.changed_at > states[mac].changed_at:
                states[mac] = last.state
        batch: Batch = {}
        for one in self._admitted(messages, states):
            if one.mac not in batch:
                batch[one.mac] = DeviceBatch(states[one.mac])
            self._add(one, batch[one.mac])
        self._last = batch
        return batch

    async def commit(self, batch: Batch) -> Batch:
        """Store the samples of a batch, then the states after it; return the parts of registered devices.

        It tries again for as long as the database is away; cancelled, nothing counts as stored.
        """
        outcomes = await self._stored({mac: list(device.samples.values()) for mac, device in batch.items()})
        registered = {mac: device for mac, device in batch.items() if mac in outcomes and outcomes[mac].device is not None}
        await self._states.write(
            {mac: one.state for mac, one in registered.items() if one.is_changed and outcomes[mac].is_stored}
        )
        for mac, outcome in outcomes.items():
            self._report(batch[mac], outcome)
            if outcome.device is not None and outcome.is_stored and batch[mac].lacks_status:
                self._lacking.add(outcome.device.device_id)
        return registered

    def take_lacking(self) -> set[int]:
        """Return the ids of the devices that changed what they have not told yet, since the last time."""
        lacking, self._lacking = self._lacking, set()
        return lacking

    def drop(self, device: str, error: Exception) -> None:
        """Count a message of a device that could not be read."""
        self.drops.add(device, str(error) if isinstance(error, PayloadError) else f"{type(error).__name__}: {error}")

    def log_counts(self, **more: int) -> None:
        """Log what was done since the last time, if anything."""
        self.drops.flush()
        counts = self.counts + Counter(dropped=self.drops.total, **more)
        if fresh := counts - self._logged:
            log.info("ingested", **{name.replace(" ", "_"): count for name, count in fresh.items()})
        self._logged = counts

    def _admitted(self, messages: Sequence[DeviceMessage], states: Mapping[str, DeviceState]) -> Iterable[DeviceMessage]:
        """Return those of the messages that count, with what of them counts."""
        return messages

    @property
    def _key(self) -> bytes | None:
        """What senders present, as Writer.store takes it: nothing is asked of those whose way in shows whose they are."""
        return None

    def _unproven(self, message: DeviceMessage, power_w: float | None) -> UnprovenDevice:
        """Return what a message shows of a device that no home has proven to have."""
        is_on = is_switched_on(message.components, power_w)
        return UnprovenDevice(message.mac, message.model, power_w, None, is_on=is_on)

    def _add(self, message: DeviceMessage, device: DeviceBatch) -> None:
        """Merge a message into its device's part of the batch, unless it can't be true or is one too many."""
        device.messages.append(message)
        if not message.components:
            return
        time, is_own = time_of(message, device.state)
        # By the message's own minute: what the broker kept for hours comes within seconds.
        if not self._limit.admits((message.mac, time.timestamp() // MINUTE_S), settings.TELEMETRY_MESSAGES_PER_DEVICE_PER_MINUTE):
            self.drops.add(message.mac, "more messages than a meter has to say")
            return
        try:
            state, samples = merge(device.state, message, time, is_own=is_own, max_power_w=settings.TELEMETRY_MAX_POWER_W)
        except UNREADABLE as error:
            self.drop(message.mac, error)
            return
        device.is_changed |= state is not device.state
        device.state = state
        device.lacks_status = not message.is_full and (device.lacks_status or lacks_status(state, message))
        device.add(samples)

    async def _stored(self, samples: dict[str, list[Sample]]) -> dict[str, Outcome]:
        """Return the outcome of each device after the commit, however long it takes; without those whose values the database refuses.

        There is nobody to send away: the broker keeps what is not acknowledged, and a socket's device is not read from meanwhile.
        """
        pause_s = RETRY_S
        while samples:
            try:
                outcomes = await writer().store(samples, key=self._key)
            except Refused:
                return await self._stored_apart(samples)
            except (DatabaseAway, Overloaded):
                self.counts["retries"] += 1
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, LONGEST_RETRY_S)
            else:
                self._count(samples, outcomes)
                return outcomes
        return {}

    async def _stored_apart(self, samples: dict[str, list[Sample]]) -> dict[str, Outcome]:
        """Store device by device, so that a value that the database refuses costs no other device's readings."""
        if len(samples) == 1:
            self.drops.add(next(iter(samples)), "the database refuses a value")
            return {}
        outcomes: dict[str, Outcome] = {}
        for mac, some in samples.items():
            outcomes |= await self._stored({mac: some})
        return outcomes

    def _count(self, samples: dict[str, list[Sample]], outcomes: dict[str, Outcome]) -> None:
        for mac, some in samples.items():
            outcome = outcomes[mac]
            if some and outcome.refused_by:
                self.drops.add(mac, "it requires its key, and its way in shows no account of its own (MQTT_DEVICE_ACCOUNTS)")
            if some and outcome.is_partial:
                self.drops.add(mac, "a channel or a power beyond its model")
            kind = "of inactive devices" if outcome.device else "of unknown devices"
            self.counts["readings" if outcome.is_stored else kind] += sum(one.power_w is not None for one in some)

    def _report(self, device: DeviceBatch, outcome: Outcome) -> None:
        """Report whether the device is alive or may be gone, and of an unproven one what it sent."""
        reporter = presence_reporter()
        for message in device.messages:
            if outcome.device is not None:
                (reporter.alive if message.is_online else reporter.last_will)(outcome.device.device_id, message.at)
                reporter.identity(outcome.device, _identity(message))
                for notice in notices_of(message) if outcome.device.is_active else ():
                    arrival = datetime.fromtimestamp(message.at, UTC)
                    reporter.notice(outcome.device.device_id, notice, trusted_time(message.time, arrival))
            if message.is_online and outcome.needs_proof:
                unproven = self._unproven(message, device.power_w)
                reporter.unproven(unproven._replace(is_claimed=outcome.is_claimed))


def _identity(message: DeviceMessage) -> Identity:
    """Return what a message says of its device: a topic alone says nothing, and a change not what it leaves out."""
    return Identity(
        message.model if message.origin != "topic" else "",
        channels_of(message.components) if message.is_full else NO_CHANNELS,
        message.is_full,
    )
