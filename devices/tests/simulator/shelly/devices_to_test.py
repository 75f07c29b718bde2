"""Simulated devices for tests, and shorthands to drive them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from devices.shelly_models import model_of
from devices.simulator import CircuitPlan, meter_build
from devices.simulator.shelly import rpc
from devices.simulator.shelly.device import Device
from devices.simulator.shelly.notifications import Notification

ZONE = ZoneInfo("America/Mexico_City")
MAC = "02aabbccddee"
NOON = datetime(2026, 7, 8, 18, tzinfo=UTC).timestamp()  # a Wednesday
ROOMS = ("kitchen", "living", "laundry", "air_conditioning")


def device(model: str = "shellyplus1pm", *kinds: str, now: float = NOON, mac: str = MAC, **options: Any) -> Device:
    """A device of the model, with a room's load on each channel unless others are given."""
    known = model_of(model)
    assert known
    plan = CircuitPlan(kinds or ROOMS[: known.channel_count], ZONE, model)
    return Device(meter_build(mac, plan, seed="1"), now=now, **options)


def ask(one: Device, method: str, now: float = NOON, /, **params: Any) -> Any:
    """The answer to a request: its result, or its error's code and message."""
    reply = rpc.answer(one, {"id": 7, "src": "tester", "method": method, "params": params}, now, source="MQTT")
    assert reply is not None
    assert (reply["id"], reply["src"], reply["dst"]) == (7, one.id, "tester")
    return reply["result"] if "result" in reply else (reply["error"]["code"], reply["error"]["message"])


def run(one: Device, start: float, end: float) -> Iterator[tuple[float, Notification]]:
    """Let time pass in the device's own steps; yield what it says, and when."""
    now = start
    while now < end:
        now = min(end, one.next_due(now))
        one.tick(now)
        yield from ((now, notification) for notification in one.take_notifications())
