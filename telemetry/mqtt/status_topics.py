"""Which status topics make readings: those of devices that send no frames. A device's frames tell the same by its own clock.

A status topic names no time, so its readings go by our clock. Two clocks on one counter invent energy, and what the broker kept while we
were away would all seem to happen now.
"""

from collections.abc import Iterable, Mapping

from telemetry.shelly.merge import UNHEARD, Remembered
from telemetry.shelly.merge_batch import Heard

# A change goes out in both ways within moments. Who has sent status topics alone for so long has had its frames switched off.
ALONE_S = 90.0
MOST = 100_000


class StatusTopics:
    """What one process heard of devices' status topics."""

    def __init__(self) -> None:
        """Start with nothing heard."""
        self._alone_since: dict[str, float] = {}

    def heeded(self, heard: Iterable[Heard], known: Mapping[str, Remembered]) -> list[Heard]:
        """Return the notices, with those status topics that don't count reduced to signs of life.

        Where any process has ever heard a frame of the device, they count once they have come alone for a while; a frame in the same
        batch counts, too, be it behind them.
        """
        listed = list(heard)
        notified = {one.mac for one in listed if one.notice.origin == "notification"}
        for mac in notified & self._alone_since.keys():
            del self._alone_since[mac]
        return [
            one if one.notice.origin != "topic" or self._is_alone(one, notified, known) else _sign_of_life(one) for one in listed
        ]

    def _is_alone(self, one: Heard, notified: set[str], known: Mapping[str, Remembered]) -> bool:
        if one.mac in notified:
            return False
        last = known.get(one.mac, UNHEARD).notified
        if not last:
            return True
        if len(self._alone_since) > MOST:
            self._alone_since.clear()
        since = max(self._alone_since.get(one.mac, one.at), last)
        self._alone_since[one.mac] = since
        return one.at - since >= ALONE_S


def _sign_of_life(one: Heard) -> Heard:
    return one._replace(notice=one.notice._replace(components={}))
