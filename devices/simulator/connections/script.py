"""The script that the app installs on a Shelly: it posts beside MQTT, channel 0 alone, without counter or clock."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import orjson

from devices.simulator.connections.running import RunningDevice
from devices.simulator.fleet import Link, ServerAway
from devices.simulator.shelly.notifications import Notification

FIELDS = ("id", "apower", "voltage", "current", "output", "temperature")


class ScriptPosts:
    """One device's script: it ignores the answer, and what could not be posted is lost."""

    def __init__(self, running: RunningDevice, *, url: str, every_s: float, key: str | None = None) -> None:
        """Raises ValueError for a URL that is none."""
        self._running, self._every_s, self._key = running, every_s, key
        self._link = Link(url)
        running.connections.append(self)

    async def run(self) -> None:
        await asyncio.sleep(random.uniform(0, self._every_s))  # noqa: S311
        while True:
            if body := posted_body(self._running.device.status(self._running.clock.now())):
                self._running.counts["posts"] += 1
                with suppress(ServerAway):
                    await asyncio.to_thread(self._link.post, orjson.dumps(body), self._key)
            await asyncio.sleep(self._every_s)

    def send(self, notifications: Sequence[Notification]) -> None:
        """A script hears of no notification."""

    def cut(self) -> None:
        """A restart starts the script anew, which makes no difference."""

    def is_done(self) -> bool:
        return True


def posted_body(status: dict[str, Any]) -> dict[str, Any] | None:
    """Return what the script posts of a status; None on a model whose relay 0 measures nothing."""
    switch = status.get("switch:0", {})
    if "apower" not in switch:
        return None
    return {"switch:0": {key: switch.get(key) for key in FIELDS}, "sys": {"mac": status["sys"]["mac"]}}
