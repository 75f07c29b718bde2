"""What the ways in report of devices: signs of life, relays, what they are and what is wrong with them. Redis gets it within a second."""

import time
from collections import Counter
from datetime import datetime

from common.async_tasks import OnePerLoop
from common.redis_sender import RedisSender
from devices.control.relays import Output, Relay, note_relays
from devices.discovery import MOST, SHARE, UnprovenDevice, note_unproven
from devices.learning import Identities, Identity
from devices.notices import Notice, Notices
from devices.presence.presence import note_alive
from devices.presence.status_requests import note_doubt
from devices.registry import RegisteredDevice

# A claimed device without a proof goes on sending; what stays the same is reported this often.
UNCHANGED_EVERY_S = 60.0
MOST_REPORTED = 100_000


class PresenceReporter(RedisSender):
    """Gathers over a second, so that a thousand devices' messages are one round trip.

    Each goes with the time of its message (Unix seconds): a last will counts only against signs of life before it.
    """

    what = "signs of life"
    pause_s = 1.0

    def __init__(self) -> None:
        super().__init__()
        self._alive: dict[int, float] = {}  # no more than there are devices
        self._last_wills: dict[int, float] = {}
        self._relays: dict[Relay, Output] = {}
        self._switched: dict[Relay, Output] = {}  # what relays were before that, where it was otherwise
        self._unproven: dict[str, UnprovenDevice] = {}
        self._identities = Identities()
        self._notices = Notices()
        self._of_address: Counter[str] = Counter()
        self._reported: dict[str, tuple[UnprovenDevice, float]] = {}  # and when, by time.monotonic()

    async def close(self) -> None:
        presence_reporter.forget(self)
        await super().close()

    def alive(self, device_id: int, at: float) -> None:
        """Report a registered device's sign of life."""
        self._alive[device_id] = at
        self._wake.set()

    def last_will(self, device_id: int, at: float) -> None:
        """Report that the broker published a registered device's last will: it may be gone."""
        self._last_wills[device_id] = at
        self._wake.set()

    def relay(self, device_id: int, channel: int, at: datetime, *, is_on: bool) -> None:
        """Report what a registered device said of its relay; the time is the one that counts for its message."""
        relay, said = Relay(device_id, channel), Output(is_on, at)
        waiting = self._relays.setdefault(relay, said)
        if waiting.at <= at:
            if waiting.is_on != is_on:  # switched there and back within a second, it is as it was, but not since then
                self._switched[relay] = waiting
            self._relays[relay] = said
        self._wake.set()

    def unproven(self, device: UnprovenDevice) -> None:
        """Report what an unproven device sent; past the most that are remembered the oldest go, past its address's share the newest."""
        if device.is_claimed and not self._is_changed(device):
            return
        if self._unproven.pop(device.mac, None) is None and device.address:
            self._of_address[device.address] += 1
            if self._of_address[device.address] > SHARE:
                return
        self._unproven[device.mac] = device
        if len(self._unproven) > MOST:
            del self._unproven[next(iter(self._unproven))]
        self._wake.set()

    @property
    def waiting(self) -> list[UnprovenDevice]:
        """The unproven devices that are not sent yet, the oldest first."""
        return list(self._unproven.values())

    def _is_changed(self, device: UnprovenDevice) -> bool:
        """Tell whether a device is in another place or switched, or was reported a while ago; then it counts as reported now."""
        now = time.monotonic()
        before, reported = self._reported.get(device.mac, (None, 0.0))
        if before is not None and device.is_on is None:
            device = device._replace(is_on=before.is_on)
        is_same = before is not None and (before.place, before.is_on) == (device.place, device.is_on)
        if is_same and now - reported < UNCHANGED_EVERY_S:
            return False
        if len(self._reported) > MOST_REPORTED:
            self._reported.clear()
        self._reported[device.mac] = device, now
        return True

    def identity(self, device: RegisteredDevice, said: Identity) -> None:
        """Report what a registered device said of itself."""
        if self._identities.heard(device, said):
            self._wake.set()

    def notice(self, device_id: int, notice: Notice, at: datetime) -> None:
        """Report what a registered device said is wrong with it, or that nothing is."""
        if self._notices.heard(device_id, notice, at):
            self._wake.set()

    async def _send(self) -> None:
        alive, self._alive = self._alive, {}
        last_wills, self._last_wills = self._last_wills, {}
        switched, self._switched = self._switched, {}
        relays, self._relays = self._relays, {}
        unproven, self._unproven = self._unproven, {}
        self._of_address.clear()
        await note_unproven(self._redis, unproven.values(), time.time())
        await note_alive(self._redis, alive)
        await note_doubt(self._redis, last_wills)
        await note_relays(self._redis, switched)
        await note_relays(self._redis, relays)
        await self._identities.write()
        await self._notices.write()


presence_reporter = OnePerLoop(PresenceReporter)
