"""What could not be read, counted by device and told once a minute: a device that sends rubbish sends a lot of it."""

import time
from collections import Counter

import structlog

log = structlog.get_logger(__name__)

INTERVAL_S = 60.0
MOST = 1_000
OTHERS = "others"


class Complaints:
    """Messages dropped, by device or topic prefix, with the last reason for each."""

    def __init__(self) -> None:
        """Start with none."""
        self._counts: Counter[str] = Counter()
        self._reasons: dict[str, str] = {}
        self._told: dict[str, float] = {}

    def note(self, device: str, reason: str) -> None:
        """Count a message; the first of a device is told at once, later ones with the next minute's line."""
        if device not in self._counts and len(self._counts) >= MOST:
            device = OTHERS
        self._counts[device] += 1
        self._reasons[device] = reason
        if time.monotonic() - self._told.get(device, -INTERVAL_S) >= INTERVAL_S:
            self._tell(device)

    def tell(self) -> None:
        """Tell what has been counted since, and forget the devices that have been quiet."""
        now = time.monotonic()
        for device in [one for one, at in self._told.items() if now - at >= INTERVAL_S]:
            if self._counts[device]:
                self._tell(device)
            else:
                del self._told[device], self._counts[device], self._reasons[device]

    def _tell(self, device: str) -> None:
        log.warning("messages dropped", device=device, count=self._counts[device], reason=self._reasons[device])
        self._counts[device] = 0
        self._told[device] = time.monotonic()


class Tally:
    """What a process has taken in, counted, and what it dropped."""

    def __init__(self) -> None:
        """Start at zero."""
        self.counts: Counter[str] = Counter()
        self._complaints = Complaints()

    def refuse(self, device: str, reason: str) -> None:
        """Count a message, or readings, that can't be used."""
        self.counts["dropped"] += 1
        self._complaints.note(device, reason)

    def tell(self) -> None:
        """Log what was dropped, once a minute for each device."""
        self._complaints.tell()
