"""How a Shelly reaches its server: settings that take effect when it starts again."""

from typing import Any

from devices.simulator.shelly.errors import changed_config


class ConnectionSettings:
    """The settings of one connection: `active` are those in use. A password is set and never read back."""

    SECRETS = frozenset({"pass"})

    def __init__(self, active: dict[str, Any]) -> None:
        self.active = self._next = active

    @property
    def needs_restart(self) -> bool:
        return self._next != self.active

    def public(self) -> dict[str, Any]:
        return {key: value for key, value in self._next.items() if key not in self.SECRETS}

    def change(self, changes: dict[str, Any]) -> None:
        """Raises RpcError."""
        self._next = changed_config(self._next, changes)

    def apply(self) -> None:
        self.active = self._next


def mqtt_settings(device_id: str, **given: Any) -> ConnectionSettings:
    """Return the factory's settings of MQTT, with those that are given: `server` is `host:port`, `pass` the password."""
    factory = {
        "enable": False,
        "server": None,
        "client_id": device_id,
        "user": None,
        "pass": None,
        "ssl_ca": None,
        "topic_prefix": device_id,
        "rpc_ntf": True,
        "status_ntf": False,
        "use_client_cert": False,
        "enable_rpc": True,
        "enable_control": True,
    }
    return ConnectionSettings(factory | given)


def websocket_settings(**given: Any) -> ConnectionSettings:
    """Return the factory's settings of the outbound WebSocket, with those that are given: `server` is a ws or wss URL."""
    return ConnectionSettings({"enable": False, "server": None, "ssl_ca": "ca.pem"} | given)
