"""Where simulated devices connect to: the options of `simulate_shelly` as each device's own settings."""

import json
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.core.management.base import CommandError

from devices.models import Device
from devices.shelly_models import normalised_hardware_id
from devices.simulator.connections.mqtt_session import address_of
from devices.simulator.registered import own_topic_prefix

CONNECT_TIMEOUT_S = 5
DEFAULT_PORTS = {"ws": 80, "wss": 443}
# The settings of a device's connection, by its MAC.
SettingsOf = Callable[[str], dict[str, Any]]


def broker_settings(options: dict[str, Any], devices: Mapping[str, Device]) -> tuple[str, SettingsOf]:
    """Return the broker, and the settings of each device by its MAC. Raises CommandError where nobody answers."""
    if not settings.MQTT_BROKER_HOST:
        raise CommandError("There is no MQTT broker. Start one with manage.py up, or name yours: MQTT_BROKER_HOST.")
    server = f"{settings.MQTT_BROKER_HOST}:{settings.MQTT_BROKER_PORT}"
    _require_listener("MQTT broker", server, "MQTT_BROKER_HOST, MQTT_BROKER_PORT")
    login = {"user": settings.MQTT_SHELLY_USER or None, "pass": settings.MQTT_SHELLY_PASS or None, "ssl_ca": options["tls"]}

    def settings_of(mac: str) -> dict[str, Any]:
        prefix = own_topic_prefix(devices.get(mac))
        # The app switches the status topics on.
        mqtt = {"enable": True, "server": server, "status_ntf": True, **login} | ({"topic_prefix": prefix} if prefix else {})
        return {"mqtt": mqtt}

    return server, settings_of


def websocket_settings(options: dict[str, Any]) -> tuple[str, SettingsOf]:
    """Return the server, and the settings of each device by its MAC. Raises CommandError where nobody answers."""
    parts = urlsplit(options["websocket"])
    try:
        server = f"{parts.hostname}:{parts.port or DEFAULT_PORTS[parts.scheme]}"
    except (KeyError, ValueError) as error:  # not shown: there may be a key in it
        raise CommandError("--websocket takes an address such as ws://127.0.0.1:8000/ws/shelly.") from error
    _require_listener("server", server, "--websocket")
    keys = device_keys(options["keys"])

    def settings_of(mac: str) -> dict[str, Any]:
        query = urlencode({"token": keys[mac]}) if mac in keys else ""
        url = parts._replace(query="&".join(filter(None, (parts.query, query)))).geturl()
        return {"websocket": {"enable": True, "server": url, "ssl_ca": options["tls"] or "ca.pem"}}

    return server, settings_of


def device_keys(path: Path | None) -> dict[str, str]:
    """Return the devices' own keys by MAC, as a file has them. Raises CommandError where it can't be read."""
    try:
        return {normalised_hardware_id(mac): str(key) for mac, key in json.loads(path.read_text()).items()} if path else {}
    except (OSError, ValueError, AttributeError) as error:
        raise CommandError(f"--keys {path}: {error}. It takes a JSON object of keys by MAC.") from error


def _require_listener(what: str, server: str, setting: str) -> None:
    try:
        socket.create_connection(address_of(server), CONNECT_TIMEOUT_S).close()
    except OSError as error:
        raise CommandError(f"No {what} answers at {server} ({error}). Start it, or name another one: {setting}.") from error
