"""Which status topics make readings: those of devices that send no frames. A device's frames say the same by its own clock.

A status topic names no time, so its readings go by our clock. Two clocks on one counter invent energy, and what the broker kept while we
were away would all seem to happen now.
"""

from collections.abc import Mapping, Sequence

from telemetry.shelly.merge import DeviceState
from telemetry.shelly.mqtt_messages import DeviceMessage

# A change goes out in both ways within moments. Who has sent status topics alone for so long has had its frames switched off.
WITHOUT_FRAMES_S = 90.0
MOST = 100_000


class StatusTopics:
    """Since when devices that used to send frames have sent status topics alone, as one process knows it."""

    def __init__(self) -> None:
        self._alone_since: dict[str, float] = {}

    def counted(self, messages: Sequence[DeviceMessage], states: Mapping[str, DeviceState]) -> list[DeviceMessage]:
        """Return the messages, with those of status topics that don't count reduced to signs of life.

        Where any process has ever had a frame of the device, they count once they have come alone for a while; a frame in the same
        batch counts, too, be it behind them.
        """
        with_frames = {one.mac for one in messages if one.origin == "notification"}
        for mac in with_frames & self._alone_since.keys():
            del self._alone_since[mac]
        return [
            one
            if one.origin != "topic" or (one.mac not in with_frames and self._counts(one, states[one.mac].frame_at))
            else one._replace(components={})
            for one in messages
        ]

    def _counts(self, message: DeviceMessage, frame_at: float) -> bool:
        if not frame_at:
            return True
        if len(self._alone_since) > MOST:
            self._alone_since.clear()
        since = max(self._alone_since.get(message.mac, message.at), frame_at)
        self._alone_since[message.mac] = since
        return message.at - since >= WITHOUT_FRAMES_S
