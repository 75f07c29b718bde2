"""Readings taken in over MQTT at QoS 1, from publish to committed row, beside a bare paho subscriber that only parses JSON.

And what its connection is worth: subscribers that only parse JSON, by paho's public interface alone, by aiomqtt (which acknowledges before
its caller has the message) and with the fast packet reader; and ingest by paho's public interface alone.

All hang on the same Mosquitto and are measured in turns, ingest by paho alone after them; the ratios are what counts. Publisher, broker,
database and subscriber share the machine's cores, so the CPU time of the subscribing process is told as well.
"""

import argparse
import contextlib
import itertools
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from _common import ROOT, report, services
from _publisher import notification, publish
from ingest_http import DEVICES, mac, register, stored

from ecowatt.dev.embedded_services import free_port, port_is_free

TICKS = os.sysconf("SC_CLK_TCK")
BARE, OURS, OURS_BY_PAHO = "bare paho subscriber", "ingest, committed", "ingest by paho alone, committed"
WAYS = {"paho": "connection by paho alone", "aiomqtt": "aiomqtt", "fast": "connection with the fast reader"}
# Topics of more levels than ingest listens to.
UNHEARD = "more/levels/than/heard/"
INGEST_BY_PAHO = """
import paho.mqtt, sys
from django.core.management import execute_from_command_line
paho.mqtt.__version__ = "unverified"
execute_from_command_line(["manage.py", "ingest"])
"""
numbers = itertools.count(DEVICES)  # a value that was said before makes no reading


class Run(NamedTuple):
    """Messages a second, and microseconds of the process's CPU time for each."""

    per_second: float
    cpu_us: float


@contextlib.contextmanager
def mosquitto() -> Iterator[int]:
    """Run a broker with room for the queue; give its port."""
    binary = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    if not Path(binary).exists():
        raise SystemExit("this benchmark needs Mosquitto (Debian: apt-get install mosquitto)")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "mosquitto.conf"
        config.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nset_tcp_nodelay true\nlog_type none\n"
        )
        process = subprocess.Popen([binary, "-c", str(config)])
        try:
            while port_is_free("127.0.0.1", port):
                time.sleep(0.05)
            yield port
        finally:
            process.terminate()
            process.wait(10)


def packets(count: int, under: str = "") -> list[bytes]:
    """Return changes of power, device after device, each a moment later than the last."""
    start = time.time() - count / DEVICES
    made = [(number, next(numbers)) for number in range(count)]
    return [notification(mac(turn % DEVICES), turn, start + number / DEVICES, under=under) for number, turn in made]


def cpu_s(pid: int) -> float:
    """Return the CPU seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def run(count: int, started: float, used_s: float) -> Run:
    """Return the figures of a run that ends now, and print them."""
    figures = Run(count / (time.monotonic() - started), 1e6 * used_s / count)
    print(f"{figures.per_second:,.0f} messages/s, {figures.cpu_us:.1f} us of CPU time each", file=sys.stderr)
    return figures


def subscriber(way: str, port: int, topic_filter: str, messages: list[bytes]) -> Run:
    """Measure a subscriber that only parses JSON."""
    words = [str(ROOT / "benchmarks" / "_mqtt_subscriber.py"), way, str(port), topic_filter, str(len(messages))]
    with subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        started, used = time.monotonic(), cpu_s(process.pid)
        publish(port, messages)
        assert process.stdout.readline() == "done\n"
        return run(len(messages), started, cpu_s(process.pid) - used)


def ours(port: int, messages: list[bytes], pid: int) -> Run:
    """Measure a running ingest process, from publish to committed row."""
    before, started, used = stored(), time.monotonic(), cpu_s(pid)
    publish(port, messages)
    while stored() - before < len(messages):
        time.sleep(0.02)
        assert time.monotonic() - started < 60, f"{len(messages) - stored() + before} readings are missing"
    return run(len(messages), started, cpu_s(pid) - used)


def warm(port: int) -> None:
    """Let every device send its whole status until ingest is up and has stored all of them."""
    from telemetry.models import Reading

    now = int(time.time() - 60)
    stored_before = -1
    while (stored_now := Reading.objects.filter(time=datetime.fromtimestamp(now, UTC)).count()) < DEVICES:
        if stored_now == stored_before:  # ingest was not subscribed when they were sent
            publish(port, [notification(mac(number), number, now, full=True) for number in range(DEVICES)])
        stored_before = stored_now
        time.sleep(2)
    publish(port, [notification(mac(0), 0, now + 1, full=True)])  # the last one, after which nothing is queued
    while not Reading.objects.filter(time=datetime.fromtimestamp(now + 1, UTC)).exists():
        time.sleep(0.1)


@contextlib.contextmanager
def ingest(port: int, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run ingest by the command, warmed up."""
    environment = os.environ | {"MQTT_BROKER_HOST": "127.0.0.1", "MQTT_BROKER_PORT": str(port)}
    with subprocess.Popen([sys.executable, *words], env=environment, cwd=ROOT) as process:
        try:
            warm(port)
            yield process
        finally:
            process.terminate()


def measure(*, rounds: int, messages: int) -> dict[str, list[Run]]:
    """Return the runs by name."""
    runs: dict[str, list[Run]] = {name: [] for name in (BARE, *WAYS.values(), OURS, OURS_BY_PAHO)}
    few = messages // 5  # for what is slow
    with mosquitto() as port:
        with ingest(port, "manage.py", "ingest") as process:
            for _ in range(rounds):
                runs[OURS].append(ours(port, packets(messages), process.pid))
                process.send_signal(signal.SIGSTOP)  # the subscribers have the machine for themselves
                for way, name in WAYS.items():
                    sent = packets(messages if way == "fast" else few, under=UNHEARD)
                    runs[name].append(subscriber(way, port, f"{UNHEARD}+/events/rpc", sent))
                runs[BARE].append(subscriber("bare", port, "$share/bare/+/events/rpc", packets(messages)))
                before = stored()
                process.send_signal(signal.SIGCONT)  # and then what the stopped one had been sent meanwhile
                while stored() < before + messages:
                    time.sleep(0.1)
        with ingest(port, "-c", INGEST_BY_PAHO) as process:
            for _ in range(rounds):
                runs[OURS_BY_PAHO].append(ours(port, packets(few), process.pid))
    return runs


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--messages", type=int, default=30_000, help="messages of each run; a fifth of them where it is slow")
    options = vars(parser.parse_args())
    with services():
        register()
        runs = measure(**options)
    medians = {name: [statistics.median(column) for column in zip(*of_one, strict=True)] for name, of_one in runs.items()}
    each = {name: [f"{one.per_second:,.0f}/s {one.cpu_us:.1f} us" for one in of_one] for name, of_one in runs.items()}
    report(
        "ingest_mqtt",
        ["", "messages/s", "CPU us/message", "each run"],
        [(name, *medians[name], ", ".join(each[name])) for name in runs],
        ratio=medians[OURS][0] / medians[BARE][0],
        cpu_ratio=medians[BARE][1] / medians[OURS][1],
        fast_reader_cpu_saved=1 - medians[OURS][1] / medians[OURS_BY_PAHO][1],
    )


if __name__ == "__main__":
    main()
