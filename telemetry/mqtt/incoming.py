"""Messages that have come from the broker and are not taken yet."""

import asyncio
import time
from collections import deque
from typing import NamedTuple

from django.conf import settings


class Delivery(NamedTuple):
    """A message from the broker: topic, payload, arrival (Unix time), and what its acknowledgement takes."""

    topic: str
    payload: bytes
    at: float
    is_retained: bool
    mid: int
    qos: int
    session: int


class Inbox:
    """A queue that the broker's window bounds: of QoS 1 by itself, of QoS 0 by dropping."""

    def __init__(self) -> None:
        """Start empty."""
        self._queue: deque[Delivery] = deque()
        self._arrived = asyncio.Event()
        self._is_closed = False
        self.overflowed = 0

    @property
    def is_full(self) -> bool:
        """Whether no more should be read: under MQTT 5 the broker waits for us before that."""
        return len(self._queue) >= 2 * settings.MQTT_RECEIVE_MAXIMUM

    @property
    def has_room(self) -> bool:
        """Whether reading may go on."""
        return len(self._queue) < settings.MQTT_RECEIVE_MAXIMUM

    def put(self, topic: bytes, payload: bytes, *, mid: int, qos: int, is_retained: bool, session: int) -> None:
        """Queue a message."""
        if qos == 0 and not self.has_room:
            self.overflowed += 1
            return
        self._queue.append(Delivery(topic.decode(errors="replace"), payload, time.time(), is_retained, mid, qos, session))
        if len(self._queue) == 1:
            self._arrived.set()

    async def take(self, most: int) -> list[Delivery]:
        """Wait for messages and return them, in order; empty once the inbox is closed."""
        while not self._queue and not self._is_closed:  # what woke us may have gone again with its connection
            self._arrived.clear()
            await self._arrived.wait()
        return [self._queue.popleft() for _ in range(min(most, len(self._queue)))]

    def forget_unacknowledged(self) -> None:
        """Drop what comes again with the next connection; what has QoS 0 does not."""
        self._queue = deque(one for one in self._queue if one.qos == 0)

    def close(self) -> None:
        """Give out no more."""
        self._is_closed = True
        self._queue.clear()
        self._arrived.set()
