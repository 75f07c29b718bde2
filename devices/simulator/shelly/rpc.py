"""Requests to a simulated Shelly, and what it answers."""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from devices.simulator.shelly.errors import NO_HANDLER, RpcError, invalid
from devices.simulator.shelly.methods import Call

if TYPE_CHECKING:
    from devices.simulator.shelly.device import Device


def answer(device: "Device", frame: object, now: float, *, source: str) -> dict[str, Any] | None:
    """Obey a request frame and return the answer's frame; None where the device drops the request, or is silent."""
    if not isinstance(frame, dict) or not isinstance(frame.get("method"), str):
        return None
    if not isinstance(frame.get("src"), str) or not frame["src"] or "id" not in frame:
        return None
    reply = {"id": frame["id"], "src": device.id, "dst": frame["src"]}
    device.tick(now)
    try:
        params = frame.get("params")
        reply["result"] = call(device, frame["method"], {} if params is None else params, now, source)
    except RpcError as error:
        reply["error"] = {"code": error.code, "message": error.message}
    return None if device.faults.is_silent else reply


def call(device: "Device", method: str, params: object, now: float, source: str) -> Any:
    """Obey. Raises RpcError."""
    if error := device.faults.errors.get(method):
        raise error
    if not isinstance(params, dict):
        raise invalid("params")
    handler = device.methods.get(method)
    if handler is None:
        raise RpcError(NO_HANDLER, f"No handler for {method}")
    return handler(Call(device, params, now, source))


def call_quietly(device: "Device", method: str, params: dict[str, Any], now: float, source: str) -> None:
    """Obey where nobody waits for an answer."""
    with suppress(RpcError):
        call(device, method, params, now, source)
