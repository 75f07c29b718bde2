"""What to enter in a Shelly so that it reports here: by its own WebSocket, by MQTT, or by a script that posts."""

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.utils.translation import gettext as _

from devices.models import Device
from devices.ownership.broker_accounts import account_of

# What stands where a key or a password has to be entered that is not shown.
KEY, USER, PASSWORD = "TU_CLAVE", "TU_USUARIO", "TU_PASSWORD"
SCRIPT = Path(settings.BASE_DIR, "deploy", "shelly", "ecowatt.js")
SCRIPT_NAME, SCRIPT_ID = "ecowatt", 1
# A Shelly takes a script in pieces of so many characters.
CODE_PIECE = 1024
LOCAL_HOSTS = {"localhost", "127.0.0.1", "::1"}


class Site(NamedTuple):
    """Where the device reaches this installation: host and perhaps port, as the caller did, and whether by TLS."""

    host: str
    is_secure: bool

    def url(self, scheme: str, path: str) -> str:
        return f"{scheme}{'s' if self.is_secure else ''}://{self.host}{path}"


class Call(NamedTuple):
    """An RPC request for the device."""

    method: str
    params: dict[str, Any]


class Way(NamedTuple):
    """One way of reporting: where in the Shelly's own page it is set up, what to enter there, or the requests that do the same."""

    way: str
    title: str
    menu: str
    is_available: bool
    entries: dict[str, str]
    calls: list[Call]
    script: str | None = None


def ways_for(device: Device, site: Site, *, key: str | None = None) -> list[Way]:
    """Return the ways for a device, the easiest first. Without its key, which is shown once only, placeholders stand in its place."""
    return [_by_websocket(site, key or KEY), _by_mqtt(device, site, is_shown=key is not None), _by_script(site, key or KEY)]


def _by_websocket(site: Site, key: str) -> Way:
    server = site.url("ws", f"/ws/shelly?token={key}")
    ssl_ca = "ca.pem" if site.is_secure else None
    config = {"enable": True, "server": server, "ssl_ca": ssl_ca}
    return Way(
        "websocket",
        _("WebSocket del propio dispositivo: sin broker ni script"),
        "Settings > Outbound WebSocket",
        True,
        {"Enable": "on", "Connection type": "Default TLS" if site.is_secure else "No TLS", "Server": server},
        [Call("Ws.SetConfig", {"config": config}), Call("Shelly.Reboot", {})],
    )


def _by_mqtt(device: Device, site: Site, *, is_shown: bool) -> Way:
    user, password = _mqtt_login(device, is_shown=is_shown)
    prefix = f"{device.mqtt_prefix}-{device.hardware_id}"
    ssl_ca = settings.MQTT_DEVICE_SSL_CA or None
    server = settings.MQTT_DEVICE_SERVER or f"{_broker_host(site)}:{settings.MQTT_BROKER_PORT}"
    config = {
        "enable": True,
        "server": server,
        "client_id": prefix,
        "user": user,
        "pass": password,
        "ssl_ca": ssl_ca,
        "topic_prefix": prefix,
        "rpc_ntf": True,
        "status_ntf": False,
        "enable_rpc": True,
        "enable_control": True,
    }
    entries = {"Enable": "on", "Connection type": "TLS" if ssl_ca else "No TLS", "MQTT prefix": prefix, "Server": server}
    entries |= {"Client ID": prefix, "Username": user or "", "Password": password or ""}
    entries |= {"Enable RPC over MQTT": "on", "RPC status notifications over MQTT": "on", "Enable MQTT Control": "on"}
    is_heard = settings.MQTT_DEVICE_ACCOUNTS or not (device.requires_key or settings.DEVICE_KEYS_REQUIRED)
    calls = [Call("MQTT.SetConfig", {"config": config}), Call("Shelly.Reboot", {})]
    title = _("MQTT: por el broker de esta instalación")
    return Way("mqtt", title, "Settings > MQTT", bool(settings.MQTT_BROKER_HOST) and is_heard, entries, calls)


def _mqtt_login(device: Device, *, is_shown: bool) -> tuple[str | None, str | None]:
    """Return user and password at the broker: the device's own account, a placeholder for what the operator gives, or none."""
    account = account_of(device) if settings.MQTT_DYNSEC_USER else None
    if account:
        return account.user, account.password if is_shown else PASSWORD
    if settings.MQTT_SHELLY_USER or settings.MQTT_DEVICE_ACCOUNTS:
        return USER, PASSWORD
    return None, None


def _broker_host(site: Site) -> str:
    """Return the broker's host as a device knows it; one that is the server's own is where the caller found the server."""
    if settings.MQTT_BROKER_HOST not in LOCAL_HOSTS:
        return str(settings.MQTT_BROKER_HOST)
    return re.sub(r":\d+\Z", "", site.host)


def _by_script(site: Site, key: str) -> Way:
    code = script_for({"URL": site.url("http", "/api/v1/ingest/shelly"), "KEY": key})
    pieces = [code[start : start + CODE_PIECE] for start in range(0, len(code), CODE_PIECE)]
    calls = [
        Call("Script.Create", {"name": SCRIPT_NAME}),
        *(Call("Script.PutCode", {"id": SCRIPT_ID, "code": one, "append": bool(place)}) for place, one in enumerate(pieces)),
        Call("Script.SetConfig", {"id": SCRIPT_ID, "config": {"enable": True}}),
        Call("Script.Start", {"id": SCRIPT_ID}),
    ]
    title = _("Script que envía las lecturas cada diez segundos")
    return Way("script", title, "Scripts > Add script", True, {"Name": SCRIPT_NAME, "Run on startup": "on"}, calls, code)


def script_for(values: Mapping[str, str]) -> str:
    """Return the script of deploy/shelly with other values in its first lines (`let NAME = "…";`)."""
    code = _script()
    for name, value in values.items():
        code = re.sub(rf'^let {name} = ".*?";', lambda _: f"let {name} = {json.dumps(value)};", code, count=1, flags=re.MULTILINE)  # noqa: B023
    return code


@lru_cache(maxsize=1)
def _script() -> str:
    return SCRIPT.read_text(encoding="utf-8")
