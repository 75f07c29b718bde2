"""The components of a Shelly that measure nothing, and what it says of itself."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from devices.simulator.shelly.components import Body, temperature
from devices.simulator.shelly.hardware import BTHC

if TYPE_CHECKING:
    from devices.simulator.shelly.device import Device

BUILD = "20260311-095906"


def device_info(device: "Device") -> dict[str, Any]:
    """Return what `Shelly.GetDeviceInfo` answers."""
    info = {
        "name": None,
        "id": device.id,
        "mac": device.meter.mac.upper(),
        "slot": 0,
        "model": device.model.codes[-1],
        "gen": device.hardware.generation,
        "fw_id": f"{BUILD}/{device.firmware}-g0000000",
        "ver": device.firmware,
        "app": device.hardware.app,
        "auth_en": False,
        "auth_domain": None,
    }
    return info | ({"profile": device.hardware.profile} if device.hardware.profile else {})


def system_status(device: "Device", now: float) -> dict[str, Body]:
    status: dict[str, Body] = {
        "ble": {},
        "cloud": {"connected": False},
        "mqtt": {"connected": "mqtt" in device.connected},
        "sys": _sys(device, now),
        "wifi": {"sta_ip": "192.168.1.20", "status": "got ip", "ssid": "casa", "rssi": -61},
        "ws": {"connected": "ws" in device.connected},
    }
    status |= {f"input:{number}": {"id": number, "state": False} for number in range(device.hardware.inputs)}
    if device.model.component == "em":
        status["temperature:0"] = {"id": 0, **temperature(49.6)}
    return status


def _sys(device: "Device", now: float) -> Body:
    clock = device.clock(now)
    local = None if clock is None else datetime.fromtimestamp(int(clock), device.zone)
    offset = (local or datetime.fromtimestamp(now, UTC)).utcoffset()
    body: Body = {
        "mac": device.meter.mac.upper(),
        "restart_required": device.mqtt.needs_restart or device.websocket.needs_restart,
        "time": local and f"{local:%H:%M}",
        "unixtime": local and int(local.timestamp()),
        "last_sync_ts": local and int(local.timestamp()) - int(local.timestamp()) % 3600,
        "uptime": int(now - device.booted_at),
        "ram_size": 260140,
        "ram_free": 129924,
        "ram_min_free": 98844,
        "fs_size": 917504,
        "fs_free": 425984,
        "cfg_rev": device.config_revision,
        "kvs_rev": 0,
        "schedule_rev": device.schedules.revision,
        "webhook_rev": 0,
        "btrelay_rev": 0,
        "available_updates": {},
        "reset_reason": 1 if device.boots == 1 else 3,
        "utc_offset": int(offset.total_seconds()) if offset else 0,
    }
    if BTHC in device.hardware.fields:
        body["bthc_rev"] = 0
    if device.hardware.generation == 4:
        name = f"{device.hardware.app}ZB"
        body["alt"] = {name: {"name": name, "desc": "with Zigbee", "stable": {"version": device.firmware, "build_id": BUILD}}}
    return body
