"""What relays are: asked of their devices once for all who want to know, and heard for as long as somebody does.

A phone asks some twenty times a second. What a device said in the last 5 s is answered from memory, else one request is under way for all
who wait; a device that stays silent is asked again after 5 s.
"""

import asyncio
import time
from typing import Any, NamedTuple

from common.async_tasks import OnePerLoop
from devices.control.exceptions import NotSwitched
from devices.control.rpc import Listener, rpc

FRESH_S = 5.0
# How long a device is listened to after the last question about it.
WATCH_S = 60.0
# Firmware 2.0 may repeat for so long what a relay was before a command.
STALE_OUTPUT_S = 30.0
# How a relay names who switched it last, where it was a request of ours.
OUR_SOURCE = "MQTT"
MOST_RELAYS = 10_000

Relay = tuple[Listener, int]


class Said(NamedTuple):
    """What came of the last question, with all changes since, and when that was (monotonic): the relay's status, or why there is none."""

    at: float
    status: dict[str, Any]
    error: NotSwitched | None = None


class RelayStatuses:
    """The relays that one event loop was asked for."""

    def __init__(self) -> None:
        self._said: dict[Relay, Said] = {}
        self._asking: dict[Relay, asyncio.Task[Said]] = {}
        self._commanded: dict[Relay, tuple[float, bool]] = {}
        self._wanted: dict[Listener, float] = {}

    async def get(self, listener: Listener, channel: int) -> dict[str, Any]:
        """Return the relay's status, as `Switch.GetStatus` answers it. Raises NotSwitched."""
        said = self._fresh(listener, channel)
        if said is None:
            said = await asyncio.shield(self._asked(listener, channel))
        if said.error:
            raise said.error
        return said.status

    def known(self, listener: Listener, channel: int) -> dict[str, Any] | None:
        """Return the relay's status if it is known without asking."""
        said = self._fresh(listener, channel)
        return None if said is None or said.error else said.status

    def _fresh(self, listener: Listener, channel: int) -> Said | None:
        said = self._said.get((listener, channel))
        return said if said is not None and time.monotonic() - said.at < FRESH_S else None

    def commanded(self, listener: Listener, channel: int, output: bool | None) -> None:
        """Take for known what the relay is after a command; None: ask anew."""
        relay = listener, channel
        self._commanded.pop(relay, None)
        if output is None:
            if (said := self._said.get(relay)) is not None and said.error is None:  # one that is silent is not asked sooner
                del self._said[relay]
            return
        self._commanded[relay] = time.monotonic(), output
        self._changed(listener, channel, {"output": output})

    def _changed(self, listener: Listener, channel: int, change: dict[str, Any]) -> None:
        relay = listener, channel
        said = self._said.get(relay)
        if said is not None and said.error is None:
            self._said[relay] = Said(time.monotonic(), said.status | self._without_stale_output(relay, change))

    def _without_stale_output(self, relay: Relay, change: dict[str, Any]) -> dict[str, Any]:
        """Return the change, with the output that was commanded where it tells of the one before; another's hand changes it at any time."""
        at, output = self._commanded.get(relay, (0.0, False))
        if change.get("output") == (not output) and time.monotonic() - at < STALE_OUTPUT_S:
            return change | ({"output": output} if change.get("source", OUR_SOURCE) == OUR_SOURCE else {})
        return change

    def _asked(self, listener: Listener, channel: int) -> "asyncio.Task[Said]":
        relay = listener, channel
        if relay not in self._asking:
            self._asking[relay] = task = asyncio.create_task(self._ask(listener, channel))
            task.add_done_callback(lambda _task: self._asking.pop(relay, None))
        return self._asking[relay]

    async def _ask(self, listener: Listener, channel: int) -> Said:
        try:
            self._watch(listener)
            status = await rpc().call(listener, "Switch.GetStatus", {"id": channel})
            said = Said(time.monotonic(), self._without_stale_output((listener, channel), status))
        except NotSwitched as error:
            said = Said(time.monotonic(), {}, error)
        self._said[listener, channel] = said
        return said

    def _watch(self, listener: Listener) -> None:
        """Listen to the device from now on, and no more to those that nobody has asked for lately. Raises BrokerAway."""
        now = time.monotonic()
        if listener not in self._wanted:
            rpc().watch(listener, self._changed)
        self._wanted[listener] = now
        for other in [one for one, at in self._wanted.items() if now - at > WATCH_S]:
            rpc().unwatch(other)
            del self._wanted[other]
        if len(self._said) > MOST_RELAYS:
            self._said.clear()
            self._commanded.clear()


relay_statuses = OnePerLoop(RelayStatuses)
