"""Progress of a long command: a bar on a terminal, a line for each tenth elsewhere."""

import time
from typing import TextIO

BAR = 30


class Progress:
    """Counts steps up to a total and writes where it stands."""

    def __init__(self, total: int, what: str, out: TextIO) -> None:
        self._total, self._what, self._out = max(total, 1), what, out
        self._done, self._tenth, self._start = 0, 0, time.monotonic()
        self._bar = out.isatty()

    @property
    def done(self) -> int:
        """How many steps are done."""
        return self._done

    def __call__(self, steps: int) -> None:
        """Count steps that are done."""
        self._done += steps
        share = min(self._done / self._total, 1)
        if self._bar:
            self._write(f"\r[{'#' * int(share * BAR):<{BAR}}] {self._figures(share)} ")
        elif int(share * 10) > self._tenth:
            self._tenth = int(share * 10)
            self._write(f"{self._figures(share)}\n")

    def close(self) -> None:
        """End the bar's line."""
        if self._bar and self._done:
            self._write("\n")

    def _figures(self, share: float) -> str:
        spent = time.monotonic() - self._start
        left = spent * (1 - share) / share if share else 0
        return f"{share:4.0%} {self._done} of {self._total} {self._what}, {_clock(left)} left"

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
