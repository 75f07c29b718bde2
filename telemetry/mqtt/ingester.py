"""The readings' way in over MQTT: batches from the broker through the intake, acknowledged once they are committed.

Devices that have been silent are asked for their status.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson
import structlog
from django.conf import settings
from django.db import Error as DatabaseError
from redis.exceptions import RedisError

from common.async_tasks import end
from common.mqtt.connection import Connection, Login
from common.mqtt.connection import Message as Received
from common.redis_connections import INGEST, async_redis_client
from devices.presence.presence import sweep
from devices.presence.reporter import presence_reporter
from devices.presence.status_requests import to_ask
from devices.registry import registry
from telemetry.constants import RPC_REPLIES
from telemetry.ingest.writer import writer
from telemetry.mqtt.batches import Intake, Message
from telemetry.mqtt.broker_drops import compare_dropped
from telemetry.mqtt.instance_lease import Claim
from telemetry.mqtt.subscriptions import DROPPED, every_subscription, subscriptions
from telemetry.shelly.merge_batch import Laid

log = structlog.get_logger(__name__)

ASK_EVERY_S = 1.0
SWEEP_EVERY_S = 5.0
TELL_EVERY_S = 60.0
# A process has to be gone 5 s after it was told so; what the database does not take within this stays with the broker.
LAST_BATCH_S = 3.5
QUIET_S = 3.0
BROKER_S = 30.0


class TakenOver(Exception):
    """Another process goes by this one's number."""


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


class Ingest:
    """One ingest process."""

    def __init__(self, instance: int, *, drains: bool = False) -> None:
        """Connect to nothing yet."""
        self._source = f"{RPC_REPLIES}/ingest-{instance}"
        self._store = async_redis_client(INGEST)
        self._claim = Claim(self._store, instance)
        replies = f"{self._source}/#"
        wanted = [] if drains else subscriptions(replies)
        self._connection = Connection(_login(instance), wanted, former=every_subscription(replies))
        self._intake = Intake(self._store)
        self._questions = 0
        self._told: Counter[str] = Counter()

    @property
    def is_connected(self) -> bool:
        return self._connection.is_connected

    async def run(self, stopping: asyncio.Event) -> None:
        """Take messages until told to stop. Raises TakenOver where another process has this instance's number."""
        work = asyncio.create_task(self._work())
        connection = asyncio.create_task(self._keep_connected())
        stop = asyncio.create_task(stopping.wait())
        chores = [
            asyncio.create_task(_every(seconds, chore))
            for seconds, chore in ((ASK_EVERY_S, self._ask), (SWEEP_EVERY_S, self._sweep), (TELL_EVERY_S, self._tell))
        ]
        try:
            await asyncio.wait([work, connection, stop], return_when=asyncio.FIRST_COMPLETED)
            self._connection.stop_taking()
            await asyncio.wait([work], timeout=LAST_BATCH_S)
            await self._connection.close()
            await self._tell()
            for task in (work, connection):
                if task.done():
                    task.result()
        finally:
            await self._end([*chores, stop, work, connection])

    async def drain(self) -> int:
        """Store what is queued for this instance, then end its session; return how many messages. Raises BrokerAway, TakenOver."""
        connection = asyncio.create_task(self._keep_connected())
        try:
            connected = asyncio.create_task(self._connection.wait_connected())
            await asyncio.wait([connected, connection], timeout=BROKER_S, return_when=asyncio.FIRST_COMPLETED)
            if not connected.done():
                connected.cancel()
                raise BrokerAway
            with contextlib.suppress(TimeoutError):
                while True:
                    batch = await asyncio.wait_for(self._connection.take(_most()), QUIET_S)
                    await self._commit(batch, await self._laid(batch))
            await self._connection.close(ends_session=True)
            return self._intake.tally.counts["messages"]
        finally:
            await self._end([connection])

    async def _keep_connected(self) -> None:
        await self._claim.make()
        await self._connection.run(before_reconnect=self._check_claim)

    async def _check_claim(self) -> None:
        if await self._claim.is_lost():
            raise TakenOver

    async def _end(self, tasks: Sequence["asyncio.Task[Any]"]) -> None:
        await end(tasks)
        await writer().close()
        await presence_reporter().close()
        await registry().close()
        await self._store.aclose()

    async def _work(self) -> None:
        """Take batch after batch; while one is being committed, the next one is read and laid over what is known."""
        async with asyncio.TaskGroup() as commits:
            last = None
            while batch := await self._connection.take(_most()):
                laid = await self._laid(batch)
                if last is not None:
                    await last
                last = commits.create_task(self._commit(batch, laid))

    async def _laid(self, batch: list[Received]) -> Laid:
        messages = []
        for delivery in batch:
            if delivery.topic == DROPPED:
                await compare_dropped(self._store, delivery.payload)
            elif not delivery.is_retained:  # what a device said before we came is no sign of life
                messages.append(Message(delivery.topic, delivery.payload, delivery.at))
        return await self._intake.lay(messages)

    async def _commit(self, batch: list[Received], laid: Laid) -> None:
        await self._intake.commit(laid)
        self._connection.acknowledge(batch)

    async def _ask(self) -> None:
        """Ask silent devices for their status, and who listens under a prefix that nobody has proved.

        Each answers on a topic of its own, so that none can answer for another.
        """
        if not self._connection.is_connected:
            return
        silent = {question.topic.removesuffix("/rpc") for question in await to_ask(self._store, time.time())}
        for prefix in silent | self._intake.take_unproved():
            self._questions += 1
            request = {"id": self._questions, "src": f"{self._source}/{prefix}", "method": "Shelly.GetStatus"}
            self._connection.publish(f"{prefix}/rpc", orjson.dumps(request))

    async def _sweep(self) -> None:
        if self._connection.is_connected:  # who can't be heard is not offline
            await sweep(self._store, time.time())

    async def _tell(self) -> None:
        """Log what was done since the last time, if anything."""
        self._intake.tally.tell()
        counts = self._intake.tally.counts + Counter(questions=self._questions, overflowed=self._connection.overflowed)
        if fresh := counts - self._told:
            log.info("ingested", **{name.replace(" ", "_"): count for name, count in fresh.items()})
        self._told = counts


def _most() -> int:
    """Return the size of a batch: of what the broker hands out, a third is being committed, a third is laid, and a third comes in."""
    return max(1, int(settings.MQTT_RECEIVE_MAXIMUM) // 3)


async def _every(seconds: float, chore: Callable[[], Awaitable[None]]) -> None:
    """Do something again and again; Redis or the database being away is no reason to stop."""
    while True:
        await asyncio.sleep(seconds)
        try:
            await chore()
        except (RedisError, DatabaseError, OSError) as error:
            log.warning("a chore is put off", chore=chore.__name__, error=type(error).__name__)
