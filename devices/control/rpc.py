"""The one way to a device for everybody else: over its own socket, whichever process holds that, else over MQTT."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

from django.conf import settings

from common.async_tasks import OnePerLoop
from devices.constants import ANSWER_S
from devices.control.exceptions import BrokerAway, DeviceRefused, DeviceSilent
from devices.control.mqtt_rpc import Listener, MqttRpc, OnChange
from devices.sockets.device_socket import SocketGone
from devices.sockets.device_sockets import device_sockets

__all__ = ["ANSWER_S", "DeviceRpc", "Listener", "rpc"]


class DeviceRpc:
    """Requests to devices from one event loop."""

    def __init__(self) -> None:
        self._sockets = device_sockets()
        self._mqtt = MqttRpc() if settings.MQTT_BROKER_HOST else None

    async def call(self, listener: Listener, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the result of a method of the device's. Raises BrokerAway, DeviceSilent, DeviceRefused."""
        try:
            async with asyncio.timeout(ANSWER_S):
                said = await self._request(listener, method, params)
        except TimeoutError:
            raise DeviceSilent from None
        if "error" in said:
            raise DeviceRefused(said["error"].get("code") if isinstance(said["error"], dict) else None)
        result = said.get("result")
        return result if isinstance(result, dict) else {}

    def watch(self, listener: Listener, on_change: OnChange) -> None:
        """Have each change that the device notifies of its relays told, until `unwatch`."""
        self._sockets.watch(listener.mac, lambda number, change: on_change(listener, number, change))
        if self._mqtt is not None:
            self._mqtt.watch(listener, on_change)

    def unwatch(self, listener: Listener) -> None:
        self._sockets.unwatch(listener.mac)
        if self._mqtt is not None:
            self._mqtt.unwatch(listener)

    async def close(self) -> None:
        rpc.forget(self)
        await self._sockets.close()
        if self._mqtt is not None:
            await self._mqtt.close()

    async def _request(self, listener: Listener, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        with contextlib.suppress(SocketGone):
            return await self._sockets.request(listener.mac, method, params)
        if self._mqtt is None:
            raise BrokerAway
        return await self._mqtt.request(listener, method, params)


rpc = OnePerLoop(DeviceRpc)
