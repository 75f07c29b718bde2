"""From a batch of MQTT messages to committed readings. The broker may be answered when `commit` has returned, and not before."""

from collections.abc import Iterable, Mapping, Sequence

from django.conf import settings
from redis.asyncio import Redis

from common.mqtt.connection import Message
from devices.discovery import UnprovenDevice
from devices.ownership.keys import NO_KEY
from telemetry.ingest.batches import UNREADABLE, Batch, DeviceBatches
from telemetry.mqtt.status_topics import StatusTopics
from telemetry.mqtt.topic_prefixes import TopicPrefixes, may_use, proven_prefixes
from telemetry.shelly.merge import DeviceState
from telemetry.shelly.mqtt_messages import DeviceMessage, device_named_in, names_device, parse_message


class BatchProcessor(DeviceBatches):
    """Batches from a broker: which device a topic's prefix belongs to, and whether a status topic counts."""

    def __init__(self, store: Redis) -> None:
        super().__init__(store)
        self._prefixes = TopicPrefixes(store, self._states)
        self._status_topics = StatusTopics()

    async def process(self, messages: Sequence[Message]) -> None:
        """Store what the messages say."""
        await self.commit(await self.merge(messages))

    async def merge(self, messages: Sequence[Message]) -> Batch:
        """Return what the messages say by MAC, merged into their devices' states."""
        self.counts["messages"] += len(messages)
        parsed, unknown = await self._prefixes.attributed(self._parsed(messages))
        self.counts["of unknown prefix"] += unknown
        return await self.merge_messages(parsed)

    async def commit(self, batch: Batch) -> Batch:
        """Store a batch, and which prefix is whose."""
        registered = await super().commit(batch)
        await self._prefixes.write(proven_prefixes(message for one in registered.values() for message in one.messages))
        return registered

    def take_unproven(self) -> set[str]:
        """Return the prefixes that some device is said to have and that came without a proof, since the last time."""
        unproven, self._prefixes.unproven = self._prefixes.unproven, set()
        return unproven

    def _parsed(self, messages: Sequence[Message]) -> list[DeviceMessage]:
        found = []
        for one in messages:
            try:
                found.append(parse_message(one.topic, one.payload, one.at))
            except UNREADABLE as error:
                self.drop(device_named_in(one.topic), error)
        return found

    def _admitted(self, messages: Sequence[DeviceMessage], states: Mapping[str, DeviceState]) -> Iterable[DeviceMessage]:
        return self._status_topics.counted([one for one in messages if self._is_own(one, states)], states)

    def _is_own(self, message: DeviceMessage, states: Mapping[str, DeviceState]) -> bool:
        if may_use(message, states[message.mac]):
            return True
        self.drops.add(message.mac, "it came under another prefix than the device's own")
        return False

    def _unproven(self, message: DeviceMessage, power_w: float | None) -> UnprovenDevice:
        # An account that EcoWatt itself made for whoever registered the device shows nothing.
        has_account = (
            settings.MQTT_DEVICE_ACCOUNTS and not settings.MQTT_DYNSEC_USER and names_device(message.prefix, message.mac)
        )
        return super()._unproven(message, power_w)._replace(has_account=has_account)

    @property
    def _key(self) -> bytes | None:
        """What speaks for frames over MQTT, which have no key: the account of each device at the broker, or nothing."""
        return None if settings.MQTT_DEVICE_ACCOUNTS else NO_KEY
