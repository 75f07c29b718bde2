"""The methods that a simulated Shelly obeys. Source: the maker's description of its components and services."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from devices.simulator.shelly.errors import invalid, missing, not_found
from devices.simulator.shelly.relay import Relay
from devices.simulator.shelly.system import device_info

if TYPE_CHECKING:
    from devices.simulator.shelly.device import Device

# Namespaces of components that have a status, by the name that the component bears in one.
COMPONENTS = {
    "Switch": "switch",
    "PM1": "pm1",
    "EM": "em",
    "EMData": "emdata",
    "EM1": "em1",
    "EM1Data": "em1data",
    "Input": "input",
    "Temperature": "temperature",
    "Sys": "sys",
    "MQTT": "mqtt",
    "Ws": "ws",
    "Cloud": "cloud",
    "WiFi": "wifi",
    "BLE": "ble",
}
COMPONENTS_A_PAGE = 5
LEAST_RESTART_S, RESTART_S = 0.5, 1.0


class Call(NamedTuple):
    """A method called on a device: by whom (`source` is a word of the maker's: `MQTT`, `WS_out`, `schedule`), when, with what."""

    device: "Device"
    params: dict[str, Any]
    now: float
    source: str

    def number(self, name: str = "id") -> int:
        """Return a required whole number. Raises RpcError, as all here do."""
        value = self.params.get(name)
        if value is None:
            raise missing(name)
        if isinstance(value, bool) or not isinstance(value, int):
            raise invalid(name)
        return value

    def seconds(self, name: str) -> float | None:
        value = self.params.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise invalid(name)
        return float(value)

    def config(self) -> dict[str, Any]:
        config = self.params.get("config")
        if config is None:
            raise missing("config")
        if not isinstance(config, dict):
            raise invalid("config")
        return config

    def relay(self) -> tuple[int, Relay]:
        number = self.number()
        if not 0 <= number < len(self.device.relays):
            raise not_found("id", number)
        return number, self.device.relays[number]


Method = Callable[[Call], Any]


def methods_of(components: Iterable[str]) -> dict[str, Method]:
    """Return the methods of a device that has the components: theirs, and those that all devices have."""
    kinds = {name.partition(":")[0] for name in components}
    namespaces = {namespace: kind for namespace, kind in COMPONENTS.items() if kind in kinds}
    found: dict[str, Method] = {f"{one}.GetStatus": _get_status(kind) for one, kind in namespaces.items()}
    found |= {name: handler for name, handler in METHODS.items() if name.partition(".")[0] in {*namespaces, "Shelly", "Schedule"}}
    return found


def _get_status(kind: str) -> Method:
    def handler(one: Call) -> Any:
        status = one.device.status(one.now)
        if kind in status:
            return status[kind]
        name = f"{kind}:{one.number()}"
        if name not in status:
            raise not_found("id", one.number())
        return status[name]

    return handler


def _switch_set(one: Call) -> Any:
    channel, _ = one.relay()
    on = one.params.get("on")
    if on is None:
        raise missing("on")
    if not isinstance(on, bool):
        raise invalid("on")
    after_s = one.seconds("toggle_after")
    return {"was_on": one.device.switch(channel, on=on, source=one.source, now=one.now, toggle_after_s=after_s)}


def _switch_toggle(one: Call) -> Any:
    channel, relay = one.relay()
    return {"was_on": one.device.switch(channel, on=not relay.is_on, source=one.source, now=one.now)}


def _switch_set_config(one: Call) -> Any:
    channel, relay = one.relay()
    relay.configure(one.config())
    return _config_changed(one, f"switch:{channel}", needs_restart=False)


def _config_changed(one: Call, component: str, *, needs_restart: bool) -> Any:
    one.device.config_revision += 1
    event = {"component": component, "event": "config_changed", "restart_required": needs_restart}
    one.device.notify_event(one.now, event | {"cfg_rev": one.device.config_revision})
    return {"restart_required": needs_restart}


def _reset_counters(one: Call) -> Any:
    """Answer what the counters showed."""
    name = f"{one.device.model.component}:{one.number()}"
    body = one.device.metering(one.now).get(name)
    if body is None or "aenergy" not in body:
        raise not_found("id", one.number())
    one.device.meter.reset_counters(one.number(), one.now)
    return {key: {"total": body[key]["total"]} for key in ("aenergy", "ret_aenergy") if key in body}


def _get_components(one: Call) -> Any:
    status, configs = one.device.status(one.now), _configs(one.device)
    offset = one.number("offset") if "offset" in one.params else 0
    include = one.params.get("include") or []
    page = list(status)[offset : offset + COMPONENTS_A_PAGE]
    components = [
        {"key": key}
        | ({"status": status[key]} if "status" in include else {})
        | ({"config": configs.get(key, {})} if "config" in include else {})
        for key in page
    ]
    return {"components": components, "cfg_rev": one.device.config_revision, "offset": offset, "total": len(status)}


def _configs(device: "Device") -> dict[str, Any]:
    about = {"name": None, "mac": device.meter.mac.upper(), "fw_id": device_info(device)["fw_id"]}
    system = {"device": about, "location": {"tz": device.zone.key}, "cfg_rev": device.config_revision}
    connections = {"mqtt": device.mqtt.public(), "ws": device.websocket.public()}
    return {f"switch:{n}": relay.config for n, relay in enumerate(device.relays)} | connections | {"sys": system}


def _set_mqtt(one: Call) -> Any:
    one.device.mqtt.change(one.config())
    return _config_changed(one, "mqtt", needs_restart=one.device.mqtt.needs_restart)


def _set_websocket(one: Call) -> Any:
    one.device.websocket.change(one.config())
    return _config_changed(one, "ws", needs_restart=one.device.websocket.needs_restart)


def _restart(one: Call) -> None:
    delay_ms = one.seconds("delay_ms")
    one.device.restart_in(RESTART_S if delay_ms is None else max(LEAST_RESTART_S, delay_ms / 1000), one.now)


METHODS: dict[str, Method] = {
    "Shelly.GetStatus": lambda one: one.device.status(one.now),
    "Shelly.GetDeviceInfo": lambda one: device_info(one.device),
    "Shelly.GetConfig": lambda one: _configs(one.device),
    "Shelly.GetComponents": _get_components,
    "Shelly.ListMethods": lambda one: {"methods": sorted(one.device.methods)},
    "Shelly.Reboot": _restart,
    "Sys.GetConfig": lambda one: _configs(one.device)["sys"],
    "Switch.Set": _switch_set,
    "Switch.Toggle": _switch_toggle,
    "Switch.GetConfig": lambda one: one.relay()[1].config,
    "Switch.SetConfig": _switch_set_config,
    "Switch.ResetCounters": _reset_counters,
    "PM1.ResetCounters": _reset_counters,
    "Schedule.Create": lambda one: one.device.schedules.create(one.params, one.device.clock(one.now) or one.now),
    "Schedule.Update": lambda one: one.device.schedules.update(one.params, one.device.clock(one.now) or one.now),
    "Schedule.Delete": lambda one: one.device.schedules.delete(one.params),
    "Schedule.DeleteAll": lambda one: one.device.schedules.delete_all(),
    "Schedule.List": lambda one: one.device.schedules.listed(),
    "MQTT.GetConfig": lambda one: one.device.mqtt.public(),
    "MQTT.SetConfig": _set_mqtt,
    "Ws.GetConfig": lambda one: one.device.websocket.public(),
    "Ws.SetConfig": _set_websocket,
}
