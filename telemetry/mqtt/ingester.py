"""Readings over MQTT: messages from the broker, batch after batch, acknowledged once their readings are committed.

Devices that have been silent, or tell changes alone, are asked for their status.
"""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import Any

import orjson
import structlog
from django.conf import settings

from common.async_tasks import end, every
from common.mqtt.connection import Connection, Login, Message
from common.redis_connections import INGEST, async_redis_client
from devices.constants import RPC_REPLIES
from devices.control.identify import IDENTIFY_EVERY_S, devices_identify
from devices.control.kept import KEPT_COMMANDS_EVERY_S, kept_send
from devices.presence.presence import sweep
from devices.presence.reporter import presence_reporter
from devices.presence.status_requests import due_requests
from devices.registry import registry
from telemetry.ingest.batches import Batch
from telemetry.ingest.writer import writer
from telemetry.mqtt.batches import BatchProcessor
from telemetry.mqtt.broker_drops import compare_dropped
from telemetry.mqtt.instance_lease import InstanceLease
from telemetry.mqtt.subscriptions import DROPPED, every_subscription, subscriptions

log = structlog.get_logger(__name__)

REQUEST_EVERY_S = 1.0
SWEEP_EVERY_S = 5.0
LOG_EVERY_S = 60.0
# A process has to be gone 5 s after it was told so; what the database does not take within this stays with the broker.
LAST_BATCH_S = 3.5
QUIET_S = 3.0
BROKER_S = 30.0


class BrokerAway(Exception):
    """The broker could not be reached, so its queue could not be emptied."""


def _login(instance: int) -> Login:
    return Login(
        host=settings.MQTT_BROKER_HOST,
        port=settings.MQTT_BROKER_PORT,
        client_id=f"ecowatt-ingest-{instance}",  # the same after a restart, so that it goes on where it stopped
        user=settings.MQTT_SHELLY_USER,
        password=settings.MQTT_SHELLY_PASS,
        session_expiry_s=settings.MQTT_SESSION_EXPIRY_SECONDS,
        receive_maximum=settings.MQTT_RECEIVE_MAXIMUM,
    )


class MqttIngester:
    """One ingest process; with `drains` it subscribes to nothing and takes what the broker holds for it."""

    def __init__(self, instance: int, *, drains: bool = False) -> None:
        self._reply_topic = f"{RPC_REPLIES}/ingest-{instance}"
        self._store = async_redis_client(INGEST)
        self._lease = InstanceLease(self._store, instance)
        replies = f"{self._reply_topic}/#"
        wanted = [] if drains else subscriptions(replies)
        self._connection = Connection(_login(instance), wanted, unsubscribe=every_subscription(replies))
        self._processor = BatchProcessor(self._store)
        self._requests = 0

    @property
    def is_connected(self) -> bool:
        return self._connection.is_connected

    async def run(self, stopping: asyncio.Event) -> None:
        """Take messages until told to stop. Raises LeaseLost where another process has this instance's number."""
        work = asyncio.create_task(self._work())
        connection = asyncio.create_task(self._keep_connected())
        stop = asyncio.create_task(stopping.wait())
        regular = [
            asyncio.create_task(every(REQUEST_EVERY_S, self._request_status)),
            asyncio.create_task(every(SWEEP_EVERY_S, self.sweep)),
            asyncio.create_task(every(KEPT_COMMANDS_EVERY_S, kept_send)),
            asyncio.create_task(every(IDENTIFY_EVERY_S, devices_identify)),
            asyncio.create_task(every(LOG_EVERY_S, self._log_counts)),
        ]
        try:
            await asyncio.wait([work, connection, stop], return_when=asyncio.FIRST_COMPLETED)
            self._connection.stop_taking()
            await asyncio.wait([work], timeout=LAST_BATCH_S)
            await self._connection.close()
            await self._log_counts()
            for task in (work, connection):
                if task.done():
                    task.result()
        finally:
            await self._end([*regular, stop, work, connection])

    async def drain(self) -> int:
        """Store what is queued for this instance, then end its session; return how many messages. Raises BrokerAway, LeaseLost."""
        connection = asyncio.create_task(self._keep_connected())
        try:
            connected = asyncio.create_task(self._connection.wait_connected())
            await asyncio.wait([connected, connection], timeout=BROKER_S, return_when=asyncio.FIRST_COMPLETED)
            if not connected.done():
                connected.cancel()
                raise BrokerAway
            while messages := await self._taken_soon():
                await self._commit(messages, await self._merged(messages))
            await self._connection.close(ends_session=True)
            return self._processor.counts["messages"]
        finally:
            await self._end([connection])

    async def _taken_soon(self) -> list[Message]:
        """Return the next messages, none where the queue has been empty for QUIET_S."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(QUIET_S):
                return await self._connection.take(_most())
        return []

    async def _keep_connected(self) -> None:
        await self._lease.take()
        await self._connection.run(before_reconnect=self._lease.check)

    async def _end(self, tasks: Sequence["asyncio.Task[Any]"]) -> None:
        await end(tasks)
        await writer().close()
        await presence_reporter().close()
        await registry().close()
        await self._store.aclose()

    async def _work(self) -> None:
        """Take messages and store them; while one batch is being committed, the next one is merged."""
        async with asyncio.TaskGroup() as commits:
            last = None
            while messages := await self._connection.take(_most()):
                batch = await self._merged(messages)
                if last is not None:
                    await last
                last = commits.create_task(self._commit(messages, batch))

    async def _merged(self, messages: list[Message]) -> Batch:
        for message in messages:
            if message.topic == DROPPED:
                await compare_dropped(self._store, message.payload)
        # What a device said before we came is no sign of life.
        return await self._processor.merge([one for one in messages if one.topic != DROPPED and not one.is_retained])

    async def _commit(self, messages: list[Message], batch: Batch) -> None:
        await self._processor.commit(batch)
        self._connection.acknowledge(messages)

    async def _request_status(self) -> None:
        """Ask devices for their status: silent ones, those that tell changes alone, and who listens under a prefix that nobody has proven.

        Each answers on a topic of its own, so that none can answer for another.
        """
        if not self._connection.is_connected:
            return
        due = await due_requests(self._store, time.time(), self._processor.take_lacking())
        for prefix in {request.topic.removesuffix("/rpc") for request in due} | self._processor.take_unproven():
            self._requests += 1
            request = {"id": self._requests, "src": f"{self._reply_topic}/{prefix}", "method": "Shelly.GetStatus"}
            self._connection.publish(f"{prefix}/rpc", orjson.dumps(request))

    async def sweep(self) -> None:
        """Take silent devices for offline, while those that send could be received."""
        if self._connection.is_connected:
            await sweep(self._store, time.time())

    async def _log_counts(self) -> None:
        self._processor.log_counts(status_requests=self._requests, overflowed=self._connection.overflowed)


def _most() -> int:
    """Return the size of a batch: of what the broker hands out, a third is being committed, one is merged, and one comes in."""
    return max(1, int(settings.MQTT_RECEIVE_MAXIMUM) // 3)
