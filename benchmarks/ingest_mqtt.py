"""Readings taken in over MQTT at QoS 1, from publish to committed row, beside a bare paho subscriber that only parses JSON.

Both hang on the same Mosquitto and are measured in turns; the ratio is what counts. Publisher, broker, database and subscriber share
the machine's cores, so the CPU time of the subscribing process is told as well.
"""

import argparse
import contextlib
import itertools
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from _common import ROOT, report, services
from _publisher import notification, publish
from ingest_http import DEVICES, mac, register, stored

from ecowatt.dev.embedded_services import free_port, port_is_free

TICKS = os.sysconf("SC_CLK_TCK")
numbers = itertools.count(DEVICES)  # a value that was said before makes no reading


@contextlib.contextmanager
def mosquitto() -> Iterator[int]:
    """Run a broker with room for the queue; give its port."""
    binary = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    if not Path(binary).exists():
        raise SystemExit("this benchmark needs Mosquitto (Debian: apt-get install mosquitto)")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "mosquitto.conf"
        config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nlog_type none\n")
        process = subprocess.Popen([binary, "-c", str(config)])
        try:
            while port_is_free("127.0.0.1", port):
                time.sleep(0.05)
            yield port
        finally:
            process.terminate()
            process.wait(10)


def packets(count: int) -> list[bytes]:
    """Return changes of power, device after device, each a moment later than the last."""
    start = time.time() - count / DEVICES
    made = [(number, next(numbers)) for number in range(count)]
    return [notification(mac(turn % DEVICES), turn, start + number / DEVICES) for number, turn in made]


def cpu_s(pid: int) -> float:
    """Return the CPU seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def bare(port: int, messages: list[bytes]) -> tuple[float, float]:
    """Return messages a second of the bare subscriber, on the clock and of its CPU time."""
    words = [sys.executable, str(ROOT / "benchmarks" / "_bare_subscriber.py"), str(port), str(len(messages))]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        started, used = time.monotonic(), cpu_s(process.pid)
        publish(port, messages)
        assert process.stdout.readline() == "done\n"
        return len(messages) / (time.monotonic() - started), len(messages) / (cpu_s(process.pid) - used)


def ours(port: int, messages: list[bytes], pid: int) -> tuple[float, float]:
    """Return readings a second of a running ingest process, from publish to committed row, on the clock and of its CPU time."""
    before, started, used = stored(), time.monotonic(), cpu_s(pid)
    publish(port, messages)
    while stored() - before < len(messages):
        time.sleep(0.02)
        assert time.monotonic() - started < 60, f"{len(messages) - stored() + before} readings are missing"
    return len(messages) / (time.monotonic() - started), len(messages) / (cpu_s(pid) - used)


def warm(port: int) -> None:
    """Let every device say its whole status, again and again until ingest has come up and heard all of them."""
    from telemetry.models import Reading

    now = int(time.time() - 60)
    while Reading.objects.filter(time=datetime.fromtimestamp(now, UTC)).count() < DEVICES:
        publish(port, [notification(mac(number), number, now, full=True) for number in range(DEVICES)])
        time.sleep(1)
    publish(port, [notification(mac(0), 0, now + 1, full=True)])  # and nothing of it is left
    while not Reading.objects.filter(time=datetime.fromtimestamp(now + 1, UTC)).exists():
        time.sleep(0.1)


def measure(*, rounds: int, messages: int) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Return the runs of both."""
    bare_runs, our_runs = [], []
    with mosquitto() as port:
        environment = os.environ | {"MQTT_BROKER_HOST": "127.0.0.1", "MQTT_BROKER_PORT": str(port)}
        with subprocess.Popen([sys.executable, str(ROOT / "manage.py"), "ingest"], env=environment) as process:
            try:
                warm(port)
                for _ in range(rounds):
                    our_runs.append(ours(port, packets(messages), process.pid))
                    process.send_signal(19)  # SIGSTOP: the bare subscriber has the machine for itself
                    bare_runs.append(bare(port, packets(messages)))
                    before = stored()
                    process.send_signal(18)  # and then what the stopped one had been sent meanwhile
                    while stored() < before + messages:
                        time.sleep(0.1)
            finally:
                process.terminate()
    return bare_runs, our_runs


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--messages", type=int, default=30_000, help="messages of each run")
    options = vars(parser.parse_args())
    with services():
        register()
        columns = [[statistics.median(column) for column in zip(*runs, strict=True)] for runs in measure(**options)]
    rows = [("bare paho subscriber", *columns[0]), ("ingest, committed", *columns[1])]
    report(
        "ingest_mqtt",
        ["", "messages/s", "messages per CPU s"],
        rows,
        ratio=columns[1][0] / columns[0][0],
        cpu_ratio=columns[1][1] / columns[0][1],
    )


if __name__ == "__main__":
    main()
