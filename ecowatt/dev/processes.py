"""Running processes together under honcho, so that however the command ends, none of them is left behind."""

import contextlib
import ctypes
import multiprocessing
import os
import shlex
import signal
import sys
from types import FrameType
from typing import Any

from honcho.manager import Manager
from honcho.process import Process

from ecowatt.dev.embedded_services import with_parent

PR_SET_PDEATHSIG = 1  # linux/prctl.h
STOPPED = (0, 130, 143)  # honcho's codes: all ended well, SIGINT, SIGTERM


class Followed(Process):  # type: ignore[misc]
    """A process whose keeper dies with the command; the process itself follows its keeper (see `with_parent`)."""

    def run(self, events: Any = None, ignore_signals: bool = False) -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        super().run(events, ignore_signals)


class Processes(Manager):  # type: ignore[misc]
    """Processes that start and stop together; when one ends, all do."""

    def __init__(self) -> None:
        super().__init__()
        self._process_ctor = Followed
        self._stop_wanted = False

    def add(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        """Add a process that gets the settings besides our environment.

        It is killed if we are: its services are gone too, and the web process was seen to hang when it was asked to end without them.
        """
        line = f"exec {shlex.join(with_parent(command, 'KILL'))}"
        self.add_process(name, line, env=os.environ | environment)

    def run(self) -> bool:
        """Run until a signal comes or one process ends; return whether it ended as it should."""
        try:
            self._loop_until_hangup()
        finally:
            self._end_all()
        return self.returncode in STOPPED

    def _loop_until_hangup(self) -> None:
        signal.signal(signal.SIGHUP, _as_terminate)
        with contextlib.suppress(OSError):  # the terminal is gone, so there is nobody to write to
            self.loop()

    def terminate(self) -> None:
        """End all, or note it where honcho does not know all of them yet: it would fail on the unknown ones."""
        self._stop_wanted = not super()._all_started()
        if not self._stop_wanted:
            super().terminate()

    def _all_started(self) -> bool:
        started = bool(super()._all_started())
        if started and self._stop_wanted:
            self.terminate()
        return started

    def _end_all(self) -> None:
        for process in self._processes.values():
            if pid := process.get("pid") if process.get("returncode") is None else None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
        for keeper in multiprocessing.active_children():
            keeper.kill()


def _as_terminate(number: int, frame: FrameType | None) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
