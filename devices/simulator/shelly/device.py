"""A simulated Shelly Gen2+: requests and the time go in, frames come out. No I/O and no clock of its own.

Times that are passed in are true times, seconds since the epoch, and should not go back; the device's own clock may differ from them.
"""

from dataclasses import dataclass, field
from typing import Any

from devices.simulator.shelly import rpc
from devices.simulator.shelly.components import Body, metering_components
from devices.simulator.shelly.connection_settings import ConnectionSettings, mqtt_settings, websocket_settings
from devices.simulator.shelly.errors import RpcError
from devices.simulator.shelly.meter import Meter
from devices.simulator.shelly.methods import Method, methods_of
from devices.simulator.shelly.notifications import Notification, Outbox
from devices.simulator.shelly.relay import Relay
from devices.simulator.shelly.reporting import Reporter
from devices.simulator.shelly.schedules import Schedules
from devices.simulator.shelly.system import system_status

FIRMWARE = "1.7.5"
POWER_LIMIT_W = 4480.0
TICK_S = 1.0


@dataclass
class Faults:
    """What goes wrong on demand.

    is_silent: it obeys and sends nothing. stale_output_s: how long its status keeps the output from before a command.
    errors: what it answers instead of obeying, by method.
    """

    is_silent: bool = False
    stale_output_s: float = 0.0
    errors: dict[str, RpcError] = field(default_factory=dict)


class Device:
    """One device. After each call that may change something, `take_notifications` returns what it wants to say of it."""

    def __init__(
        self,
        meter: Meter,
        *,
        now: float,
        firmware: str = FIRMWARE,
        mqtt: dict[str, Any] | None = None,
        websocket: dict[str, Any] | None = None,
    ) -> None:
        """`mqtt` and `websocket` are settings in the maker's words that differ from the factory's."""
        self.meter, self.model, self.hardware, self.firmware = meter, meter.model, meter.hardware, firmware
        self.id = f"{self.model.prefix}-{meter.mac}"
        self.zone = meter.curves[0].zone
        self.mqtt: ConnectionSettings = mqtt_settings(self.id, **(mqtt or {}))
        self.websocket: ConnectionSettings = websocket_settings(**(websocket or {}))
        self.relays = self._relays()
        self.schedules: Schedules = Schedules(self.zone)
        self.faults = Faults()
        self.errors: dict[str, list[str]] = {}
        self.connected: set[str] = set()
        self.clock_offset_s, self.has_clock = 0.0, True
        self.boots, self.booted_at = 1, now
        self.restarts_at: float | None = None
        self.config_revision = 1
        self._outbox = Outbox(has_ids=int(firmware.split(".")[0]) < 2)
        self.methods: dict[str, Method] = methods_of(self.status(now))
        self._reporter = Reporter(self.model.component)

    def _relays(self) -> list[Relay]:
        if self.model.component == "switch":
            circuits = enumerate(self.meter.circuits)
            return [Relay(channel, is_on=one.is_on, power_limit_w=POWER_LIMIT_W) for channel, one in circuits]
        return [Relay(0, is_on=False, power_limit_w=None)] if self.model.has_relay else []

    # What it knows of itself.

    def clock(self, now: float) -> float | None:
        """Return what its clock shows; None until it is set."""
        return now + self.clock_offset_s if self.has_clock else None

    def metering(self, now: float) -> dict[str, Body]:
        """Return the components that measure, relays included."""
        clock = self.clock(now)
        minute = None if clock is None else int(clock // 60) * 60
        measured = self.meter.measured(now, None if minute is None else minute - self.clock_offset_s)
        bodies = metering_components(self.model.component, self.hardware, measured, minute)
        for channel, relay in enumerate(self.relays):
            name = f"switch:{channel}"
            body = bodies.get(name) or {"id": channel, "temperature": {"tC": 42.5, "tF": 108.5}}
            bodies[name] = {"id": channel, **relay.status(now, self.clock_offset_s), **body}
        for name, errors in self.errors.items():
            bodies[name]["errors"] = errors
        return bodies

    def status(self, now: float) -> dict[str, Body]:
        """Return all components, as `Shelly.GetStatus` does."""
        return dict(sorted((self.metering(now) | system_status(self, now)).items()))

    # What happens to it.

    def switch(self, channel: int, *, on: bool, source: str, now: float, toggle_after_s: float | None = None) -> bool:
        """Set a relay and return whether it was on. A command clears the errors that had switched it off."""
        relay, name = self.relays[channel], f"switch:{channel}"
        was_on, stale_s = relay.is_on, self.faults.stale_output_s
        relay.set(now, on=on, source=source, toggle_after_s=toggle_after_s, stale_s=stale_s)
        if self.model.component == "switch":
            self.meter.switch(channel, now, on=on)
        cleared: Body = {"errors": []} if self.errors.pop(name, None) else {}
        if was_on != on or cleared or relay.timer:
            fields = relay.status(now, self.clock_offset_s) | {"output": on}
            self._notify_status(now, {name: {"id": channel, **fields, **cleared}})
        return was_on

    def fail(self, channel: int, *errors: str, now: float) -> None:
        """Report errors of a metering component, as `overpower`; a relay opens and stays open until it is commanded."""
        name = f"{self.model.component}:{channel}"
        if self.model.component == "switch" and self.relays[channel].is_on:
            self.switch(channel, on=False, source=self.relays[channel].source, now=now)
        self.errors[name] = list(errors)
        self._notify_status(now, {name: {"id": channel, "errors": list(errors)}})

    def push(self, number: int, event: str, now: float) -> None:
        """Push the button at an input, `single_push` for instance."""
        self.notify_event(now, {"component": f"input:{number}", "id": number, "event": event})

    def set_clock(self, offset_s: float | None, now: float) -> None:
        """Let its clock differ from true time, or be unset (None)."""
        self.has_clock, self.clock_offset_s = offset_s is not None, offset_s or 0.0
        self.schedules.replan(now + self.clock_offset_s)

    def connection_made(self, kind: str, now: float) -> None:
        """Note that it has reached its server over `mqtt` or `ws`: it sends everything; over MQTT also that it is connected."""
        self.connected.add(kind)
        if kind == "mqtt":
            self._notify_status(now, {kind: {"connected": True}})
        self.notify_full(now)

    def connection_lost(self, kind: str) -> None:
        self.connected.discard(kind)

    def restart_in(self, seconds: float, now: float) -> None:
        self.restarts_at = now + seconds
        self.notify_event(now, {"component": "sys", "event": "scheduled_restart", "time_ms": round(seconds * 1000)})

    def restart(self, now: float) -> None:
        """Start again: counters fall to whole Wh, timers end, settings that waited for it take effect. Its connections break."""
        self.meter.lose_power(now)
        for channel, relay in enumerate(self.relays):
            relay.restart()
            if self.model.component == "switch":
                self.meter.switch(channel, now, on=relay.is_on)
        for settings in (self.mqtt, self.websocket):
            settings.apply()
        self.connected.clear()
        self.errors.clear()
        self._outbox.take()
        self._reporter = Reporter(self.model.component)
        self.boots, self.booted_at, self.restarts_at = self.boots + 1, now, None

    def tick(self, now: float) -> None:
        """Do what is due by now: call it at `next_due`."""
        if self.restarts_at is not None and self.restarts_at <= now:
            self.restart(self.restarts_at)
        while due := [
            (one.timer.due, one.timer.turns_on, n) for n, one in enumerate(self.relays) if one.timer and one.timer.due <= now
        ]:
            at, turns_on, channel = min(due)
            self.switch(channel, on=turns_on, source="timer", now=at)
        if (clock := self.clock(now)) is not None:
            for call in self.schedules.take_due(clock):
                rpc.call_quietly(self, call["method"], call.get("params", {}), now, "schedule")
        bodies = self.metering(now)
        self._protect(bodies, now)
        for change in self._reporter.changes(bodies, clock, now):
            self._notify_status(now, change)

    def next_due(self, now: float) -> float:
        """Return when to tick again, at the latest: a second from now, and at full minutes of its clock."""
        timers = [relay.timer.due for relay in self.relays if relay.timer]
        minute = now + 60 - (now + self.clock_offset_s) % 60
        restart = [] if self.restarts_at is None else [self.restarts_at]
        return min([now + TICK_S, minute, *timers, *restart])

    # What it says.

    def notify_full(self, now: float) -> None:
        self._outbox.add("NotifyFullStatus", self.clock(now), self.status(now))

    def notify_event(self, now: float, event: dict[str, Any]) -> None:
        self._outbox.add_event(self.clock(now), event)

    def take_notifications(self) -> list[Notification]:
        """Return what it has to say since the last time: nothing at all while it is silent."""
        taken = self._outbox.take()
        return [] if self.faults.is_silent else taken

    def _notify_status(self, now: float, components: dict[str, Body]) -> None:
        self._outbox.add("NotifyStatus", self.clock(now), components)

    def _protect(self, bodies: dict[str, Body], now: float) -> None:
        for channel, relay in enumerate(self.relays):
            limit_w = relay.config.get("power_limit")
            if limit_w is not None and abs(bodies[f"switch:{channel}"]["apower"]) > limit_w:
                self.fail(channel, "overpower", now=now)
