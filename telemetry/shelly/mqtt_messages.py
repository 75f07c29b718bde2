"""MQTT messages of Shelly Gen2+ devices: topic and bytes in, one typed message out. No Django, no clock.

Source: the maker's description of notifications, status topics and RPC over MQTT, and frames of real devices.
"""

import re
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import orjson

from devices.constants import RPC_REPLIES
from telemetry.shelly.samples import PayloadError
from telemetry.shelly.status import COMPONENT, device_time

DEVICE_ID = re.compile(r"(?P<model>[A-Za-z0-9]+)-(?P<mac>[0-9A-Fa-f]{12})")
DATA_COMPONENT = re.compile(r"(emdata|em1data):(0|[1-9][0-9]{0,2})")
EVENTS = "/events/rpc"
TOPIC = re.compile(r"(?P<prefix>.+?)/(?P<rest>events/rpc|status/[^/]+|online)")
# Each device answers on a topic of its own, named after its prefix; the original's simulator leaves out what stands behind it.
REPLY = re.compile(rf"{RPC_REPLIES}/[^/]*/(?P<prefix>.+?)(?:/rpc)?")
NOTIFICATIONS = {"NotifyStatus": False, "NotifyFullStatus": True}


# How something was said: in a topic without a frame, in a notification, or in an answer to a request of ours.
Origin = Literal["topic", "notification", "answer"]


class DeviceMessage(NamedTuple):
    """What a device said, and when that arrived (`at`, Unix time).

    mac: 12 hex digits in lower case, empty where only the topic's `prefix` says whose it is. model: prefix of its id, empty if unknown.
    components: with the fields that it named, all of them where `is_full`; empty for a mere sign of life. time: by the device's clock; of a
    status topic, which has no time, the start of the minute that its counter was in, if it says so.
    """

    mac: str
    model: str
    prefix: str
    at: float
    origin: Origin
    components: dict[str, dict[str, Any]] = {}
    time: datetime | None = None
    is_full: bool = False
    is_online: bool = True
    needs_restart: bool | None = None


def parse_message(topic: str, payload: bytes, at: float) -> DeviceMessage:
    """Read a message of `<prefix>/events/rpc`, `<prefix>/status/<component>`, `<prefix>/online`, or an RPC answer that holds a status.

    What holds no status (events, scripts, other answers) is a sign of life. Raises PayloadError, never anything else.
    """
    message = _message(topic, payload, at)
    owner = next((named for part in topic.split("/") if (named := DEVICE_ID.fullmatch(part))), None)
    if (
        owner and owner["mac"].lower() != message.mac
    ):  # not even an answer: the broker lets each device write on its own topics alone
        raise PayloadError("El mensaje viene de otro dispositivo.", "src")
    return message


def _message(topic: str, payload: bytes, at: float) -> DeviceMessage:
    prefix, rest = parts_of(topic)
    if rest == "online":
        return DeviceMessage(*_of_prefix(prefix), prefix, at, "topic", is_online=payload.strip().lower() != b"false")
    body = _object(payload)
    if rest.startswith("status/"):
        return _status(prefix, at, rest.removeprefix("status/"), body)
    return _frame(prefix, at, body)


def read_frame(payload: str | bytes, at: float) -> tuple[dict[str, Any], DeviceMessage]:
    """Read a frame from a device's own socket: as it is, and what it says. Raises PayloadError, never anything else."""
    body = _object(payload)
    return body, _frame("", at, body)


def device_named_in(topic: str) -> str:
    """Return the MAC in the topic's prefix, else the prefix, cut short: what to count the topic's messages by."""
    prefix, _rest = parts_of(topic)
    match = DEVICE_ID.fullmatch(prefix)
    return match["mac"].lower() if match else prefix[:100]


def names_device(prefix: str, mac: str) -> bool:
    """Tell whether the prefix is a device id with that MAC."""
    match = DEVICE_ID.fullmatch(prefix)
    return match is not None and match["mac"].lower() == mac


def parts_of(topic: str) -> tuple[str, str]:
    """Return the device's prefix, which may have slashes in it, and what stands behind it; of an answer's topic, too."""
    if topic.endswith(EVENTS) and not topic.startswith(RPC_REPLIES):  # nearly all are
        return topic.removesuffix(EVENTS), "events/rpc"
    if reply := REPLY.fullmatch(topic):
        return reply["prefix"], "rpc"
    match = TOPIC.fullmatch(topic)
    return (match["prefix"], match["rest"]) if match else (topic, "")


def _object(payload: str | bytes) -> dict[str, Any]:
    try:
        body = orjson.loads(payload)
    except orjson.JSONDecodeError:
        raise PayloadError("El mensaje no es JSON válido.") from None
    if not isinstance(body, dict):
        raise PayloadError("El mensaje debe ser un objeto JSON.")
    return body


def _source(source: object) -> tuple[str, str]:
    """Return MAC and model of a frame's `src`: it stays the device id even when the owner set another topic prefix."""
    match = DEVICE_ID.fullmatch(source) if isinstance(source, str) else None
    if match is None:
        raise PayloadError("El mensaje no dice de qué dispositivo viene.", "src")
    return match["mac"].lower(), match["model"].lower()


def _of_prefix(prefix: str) -> tuple[str, str]:
    """Return MAC and model that a topic's prefix names, both empty where it names none."""
    match = DEVICE_ID.fullmatch(prefix)
    return (match["mac"].lower(), match["model"].lower()) if match else ("", "")


def _status(prefix: str, at: float, component: str, body: dict[str, Any]) -> DeviceMessage:
    is_metered = _is_metered(component)
    return DeviceMessage(
        *_of_prefix(prefix),
        prefix,
        at,
        "topic",
        {component: body} if is_metered else {},
        _minute_of(body) if is_metered else None,
    )


def _minute_of(body: dict[str, Any]) -> datetime | None:
    counter = body.get("aenergy")
    return device_time(counter.get("minute_ts")) if isinstance(counter, dict) else None


def _frame(prefix: str, at: float, body: dict[str, Any]) -> DeviceMessage:
    """Read a notification, or an answer to our request for the whole status; any other frame is a sign of life."""
    mac, model = _source(body.get("src"))
    is_answer = "result" in body or "error" in body
    origin: Origin = "answer" if is_answer else "notification"
    fields, time, is_full = _answered(body.get("result")) if is_answer else _notified(body)
    return DeviceMessage(
        mac, model, prefix, at, origin, _metered(fields), device_time(time), is_full, needs_restart=_needs_restart(fields)
    )


def _needs_restart(fields: dict[str, Any]) -> bool | None:
    """Return whether the device waits for a restart, None where it does not say."""
    system = fields.get("sys")
    needed = system.get("restart_required") if isinstance(system, dict) else None
    return needed if isinstance(needed, bool) else None


def _notified(body: dict[str, Any]) -> tuple[dict[str, Any], object, bool]:
    """Return the components that a notification names, the device's time, and whether they are all of them."""
    is_full = NOTIFICATIONS.get(str(body.get("method")))
    params = body.get("params")
    if is_full is None or not isinstance(params, dict):
        return {}, None, False
    return params, params.get("ts"), is_full


def _answered(result: object) -> tuple[dict[str, Any], object, bool]:
    """Return the same of the result of an answer."""
    if not isinstance(result, dict) or not isinstance(system := result.get("sys"), dict):
        return {}, None, False
    return result, system.get("unixtime"), True


@lru_cache(1024)
def _is_metered(component: str) -> bool:
    return bool(COMPONENT.fullmatch(component) or DATA_COMPONENT.fullmatch(component))


def _metered(params: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: fields for name, fields in params.items() if isinstance(fields, dict) and _is_metered(name)}
