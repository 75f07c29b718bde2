"""`manage.py` as its own process, in a folder of its own, as someone at a terminal has it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from common.testing import free_port
from ecowatt.env_files import ROOT, VARIABLES

# What the test run itself has set, and a command at a terminal has not.
OURS = {*VARIABLES.values(), "MQTT_BROKER_PORT", "KEY_SECRET", "LOG_LEVEL", "WEB_PORT"}
READY = "Ctrl-C stops it."


def environment(folder: Path, **extra: object) -> dict[str, str]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    (folder.parent / "empty.env").touch()
    bare = {name: value for name, value in os.environ.items() if name not in OURS}
    own = {"ECOWATT_LOCAL": str(folder), "ECOWATT_DOTENV": str(folder.parent / "empty.env")}
    return bare | own | {name: str(value) for name, value in extra.items()}


def start(folder: Path, *arguments: str, **extra: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        env=environment(folder, **extra),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run(folder: Path, *arguments: str, **extra: object) -> tuple[int, str]:
    process = start(folder, *arguments, **extra)
    said, _ = process.communicate(timeout=100)
    return process.returncode, said


def left(folder: Path) -> list[str]:
    """The processes that were started for the folder and still live: each inherits its setting."""
    mark = f"ECOWATT_LOCAL={folder}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def await_none_left(folder: Path) -> list[str]:
    """Give processes that have been told to end some seconds for it; return those that stay."""
    deadline = time.monotonic() + 20
    while (still := left(folder)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return still


class Up(NamedTuple):
    process: "subprocess.Popen[str]"
    port: int
    said: list[str]

    def stop(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        self.said.extend(self.process.stdout)
        return self.process.wait(90)


@contextmanager
def up(folder: Path, *options: str, until: str = READY) -> Iterator[Up]:
    """A running `manage.py up` that has said the words: without others, that everything answers."""
    port = free_port()
    process = start(folder, "up", *options, WEB_PORT=port, MQTT_BROKER_PORT=free_port())
    said: list[str] = []
    try:
        for line in process.stdout:
            said.append(line)
            if until in line:
                break
        assert until in said[-1], "".join(said)
        yield Up(process, port, said)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
