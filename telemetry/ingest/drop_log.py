"""What could not be used, counted by device and logged at most once a minute for each: a device that sends rubbish sends a lot of it."""

import time
from collections import Counter

import structlog

log = structlog.get_logger(__name__)

INTERVAL_S = 60.0
MOST = 1_000
OTHERS = "others"


class DropLog:
    """Dropped messages by device or topic prefix, with the last reason for each. total: how many in all."""

    def __init__(self) -> None:
        self.total = 0
        self._counts: Counter[str] = Counter()
        self._reasons: dict[str, str] = {}
        self._logged: dict[str, float] = {}

    def add(self, device: str, reason: str) -> None:
        """Count a message; the first of a device is logged at once, later ones with the next minute's line."""
        self.total += 1
        if device not in self._counts and len(self._counts) >= MOST:
            device = OTHERS
        self._counts[device] += 1
        self._reasons[device] = reason
        if time.monotonic() - self._logged.get(device, -INTERVAL_S) >= INTERVAL_S:
            self._log(device)

    def flush(self) -> None:
        """Log what has been counted since, and forget the devices that have been quiet."""
        now = time.monotonic()
        for device in [one for one, at in self._logged.items() if now - at >= INTERVAL_S]:
            if self._counts[device]:
                self._log(device)
            else:
                del self._logged[device], self._counts[device], self._reasons[device]

    def _log(self, device: str) -> None:
        log.warning("messages dropped", device=device, count=self._counts[device], reason=self._reasons[device])
        self._counts[device] = 0
        self._logged[device] = time.monotonic()
