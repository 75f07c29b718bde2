"""`manage.py ingest`: devices' MQTT messages become readings."""

import asyncio
import gc
import os
import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from telemetry.mqtt.ingester import BrokerAway, MqttIngester
from telemetry.mqtt.instance_lease import LeaseLost

# A process has to be gone 5 s after it was told so, and MqttIngester takes less than four of them.
LEAVE_S = 1.0


class Command(BaseCommand):
    """The loop is telemetry.mqtt.ingester.MqttIngester."""

    help = (
        "Take in what Shelly devices send over MQTT. Several processes share the load (MQTT_SHARED), each with a number of its own "
        "(--instance): restarted with the same number, a process goes on where it stopped. A number that is not used any more is "
        "retired with --drain."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--instance", type=int, default=1, metavar="N", help="this process's number (%(default)s)")
        which.add_argument(
            "--drain", type=int, metavar="N", help="store what the broker holds for process N, end its session, exit"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM or Ctrl-C. Raises CommandError."""
        if not settings.MQTT_BROKER_HOST:
            raise CommandError("MQTT_BROKER_HOST is not set: name your broker, or use `make run`, which brings one.")
        # What is there now stays; of what comes, each batch lets go by itself, so looking for rings would be a tenth of the work.
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        try:
            if options["drain"] is None:
                asyncio.run(_run(options["instance"]))
            else:
                count = asyncio.run(MqttIngester(options["drain"], drains=True).drain())
                self.stdout.write(f"{count} messages stored; the session of process {options['drain']} is ended")
        except LeaseLost:
            number = options["instance"] if options["drain"] is None else options["drain"]
            raise CommandError(f"another ingest process has the number {number}: give each its own --instance.") from None
        except BrokerAway:
            raise CommandError("the broker does not answer, so nothing was drained.") from None


async def _run(instance: int) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await MqttIngester(instance).run(stopping)
    _leave_soon()


def _leave_soon() -> None:
    """End the process even where a thread of it waits for a database that hangs: the interpreter would wait for that thread."""
    leaving = threading.Timer(LEAVE_S, os._exit, [0])
    leaving.daemon = True
    leaving.start()
