"""Many simulated meters that post to a server, over a few connections that stay open."""

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from devices.simulator.clock import Clock
from devices.simulator.shelly.meter import Meter

PATH = "/api/v1/ingest/shelly"
TIMEOUT_S = 10
REPORT_EVERY_S = 60.0
LONGEST_PAUSE_S = 30.0
MEANINGS = {404: "404 (no home has the device, or its key is wrong or missing)", 409: "409 (deactivated)"}


@dataclass
class Counts:
    """What became of the posts: stored, refused by status, or failed because the server was away."""

    stored: int = 0
    failed: int = 0
    refused: Counter[int] = field(default_factory=Counter)

    @property
    def sent(self) -> int:
        """How many were tried."""
        return self.stored + self.failed + self.refused.total()

    def __str__(self) -> str:
        refused = ", ".join(f"{number} × {MEANINGS.get(status, status)}" for status, number in sorted(self.refused.items()))
        return f"{self.sent} sent, {self.stored} stored, refused: {refused or 'none'}, {self.failed} failed"


class ServerAway(Exception):
    """The server could not be reached, or could not store."""


class Link:
    """One connection that stays open. A connection that the server closed while it was idle is opened again unnoticed."""

    def __init__(self, url: str) -> None:
        """Prepare for the base URL, `http://host:port` or https, with or without a path before the API's."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"{url!r} is no http address")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=TIMEOUT_S)
        self._path = parts.path.rstrip("/") + PATH

    def post(self, body: bytes, key: str | None = None) -> int:
        """Send the body, with the device's own key if it has one, and return the status. Raises ServerAway, also for 5xx."""
        was_open = self._connection.sock is not None
        try:
            return self._post(body, key)
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            if not was_open or isinstance(error, TimeoutError):
                raise ServerAway(str(error) or type(error).__name__) from error
        return self.post(body, key)

    def _post(self, body: bytes, key: str | None) -> int:
        headers = {"Content-Type": "application/json"} | ({"X-Device-Key": key} if key else {})
        self._connection.request("POST", self._path, body, headers)
        answer = self._connection.getresponse()
        answer.read()
        if answer.status >= 500:
            raise ServerAway(f"it answers {answer.status}")
        return answer.status

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class Fleet:
    """Meters that post in turn, spread evenly over the interval, each over the connection of its worker."""

    def __init__(
        self,
        meters: Sequence[Meter],
        *,
        url: str,
        interval_s: float,
        clock: Clock,
        say: Callable[[str], None],
        save: Callable[[], None],
        connections: int = 16,
        first_pause_s: float = 1,
        keys: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare; `say` prints a line, `save` keeps the meters' state, `keys` are their own by MAC.

        Raises ValueError for an address that is none.
        """
        self.meters, self.interval_s, self.clock = list(meters), interval_s, clock
        self._say, self._save, self._first_pause_s = say, save, first_pause_s
        self._links = [Link(url) for _ in range(min(connections, len(self.meters)))]
        self._url, self._lock, self._keys = url, threading.Lock(), keys or {}
        self._is_away, self._told_at = False, -first_pause_s
        self._minute = self._total = Counts()

    def run(self, stop: threading.Event, *, rounds: int | None = None) -> Counts:
        """Post until told to stop, or so many times per meter; keep the state each minute and at the end."""
        self._minute, self._total = Counts(), Counts()
        begin = time.monotonic()
        with ThreadPoolExecutor(len(self._links) or 1) as pool:
            workers = [pool.submit(self._work, number, begin, stop, rounds) for number in range(len(self._links))]
            try:
                self._watch(workers, stop)
            finally:
                stop.set()
        self._save()
        return self._total

    def _watch(self, workers: list[Future[None]], stop: threading.Event) -> None:
        """Report and keep the state each minute until the workers are done. Raises what a worker raised."""
        report_at = time.monotonic() + REPORT_EVERY_S
        pending, is_stopping = set(workers), False
        while pending:
            done, pending = wait(pending, timeout=0.2, return_when="FIRST_COMPLETED")
            for worker in done:
                worker.result()
            if stop.is_set() and not is_stopping:  # before a worker that waits for a slow server makes us wait too long
                is_stopping = True
                self._save()
            if time.monotonic() >= report_at:
                report_at += REPORT_EVERY_S
                self._report()
                self._save()

    def _report(self) -> None:
        with self._lock:
            minute, self._minute = self._minute, Counts()
        behind = f", device time {self.clock.lag_s / 3600:.1f} h behind" if self.clock.lag_s > 60 else ""
        self._say(f"last minute: {minute}{behind}")

    def _work(self, number: int, begin: float, stop: threading.Event, rounds: int | None) -> None:
        """Post for every so-many-th meter, each at its moment within the interval."""
        share = range(number, len(self.meters), len(self._links))
        link, pause_s, turn = self._links[number], 0.0, 0
        while not stop.is_set() and (rounds is None or turn < rounds):
            for index in share:
                due = begin + (turn + index / len(self.meters)) * self.interval_s
                if stop.wait(max(0.0, pause_s, due - time.monotonic())):
                    break
                is_away = not self._post(link, self.meters[index]) and rounds is None
                pause_s = min(LONGEST_PAUSE_S, pause_s * 2 or self._first_pause_s) if is_away else 0.0
            turn += 1
            if rounds is None:  # rounds that a pause or a slow server made us miss are left out
                turn = max(turn, int((time.monotonic() - begin) / self.interval_s))
        link.close()

    def _post(self, link: Link, meter: Meter) -> bool:
        body = json.dumps(meter.status(self.clock.now())).encode()
        try:
            status = link.post(body, self._keys.get(meter.mac))
        except ServerAway as error:
            self._note(None, str(error))
            return False
        self._note(status)
        return True

    def _note(self, status: int | None, reason: str = "") -> None:
        with self._lock:
            for counts in (self._minute, self._total):
                if status is None:
                    counts.failed += 1
                elif status == 200:
                    counts.stored += 1
                else:
                    counts.refused[status] += 1
            is_news = self._is_away != (status is None) and time.monotonic() - self._told_at >= self._first_pause_s
            if is_news:
                self._is_away, self._told_at = status is None, time.monotonic()
        if is_news:
            self._say(f"{self._url} is away ({reason}); trying again" if status is None else f"{self._url} is back")
