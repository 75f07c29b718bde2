"""MQTT messages of Shelly Gen2+ devices: topic and bytes in, one typed notice out. No Django, no clock.

Source: the maker's description of notifications, status topics and RPC over MQTT, and frames of real devices.
"""

import re
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import orjson

from telemetry.constants import RPC_REPLIES
from telemetry.shelly.samples import PayloadError
from telemetry.shelly.status import COMPONENT, device_time

DEVICE_ID = re.compile(r"(?P<model>[A-Za-z0-9]+)-(?P<mac>[0-9A-Fa-f]{12})")
DATA_COMPONENT = re.compile(r"(emdata|em1data):(0|[1-9][0-9]{0,2})")
EVENTS = "/events/rpc"
TOPIC = re.compile(r"(?P<prefix>.+?)/(?P<rest>events/rpc|status/[^/]+|online)")
# Each device answers on a topic of its own, named after its prefix; the original's simulator leaves out what stands behind it.
REPLY = re.compile(rf"{RPC_REPLIES}/[^/]*/(?P<prefix>.+?)(?:/rpc)?")
NOTIFICATIONS = {"NotifyStatus": False, "NotifyFullStatus": True}


class Speaker(NamedTuple):
    """Who sent a message: its MAC (lower case) and model prefix where the message says so, else only its topic prefix."""

    mac: str | None
    model: str
    prefix: str


# In what something was said: a topic without a frame, a notification, or an answer to a question of ours.
Origin = Literal["topic", "notification", "answer"]


class Notice(NamedTuple):
    """What a device said: components with the fields that it named, all of them where `is_full`. Empty for a mere sign of life.

    time: by the device's clock; of a status topic, which has no time, the start of the minute that its counter was in, if it says so.
    """

    speaker: Speaker
    components: dict[str, dict[str, Any]]
    time: datetime | None
    is_full: bool
    origin: Origin
    is_online: bool = True


def parse_message(topic: str, payload: bytes) -> Notice | None:
    """Read a message of `<prefix>/events/rpc`, `<prefix>/status/<component>`, `<prefix>/online`, or an RPC answer that holds a status.

    None for what carries nothing of ours (events, scripts, answers without a status). Raises PayloadError, never anything else.
    """
    prefix, rest = parts_of(topic)
    if rest == "online":
        is_online = payload.strip().lower() != b"false"
        return Notice(_speaker_of_prefix(prefix), {}, None, is_full=False, origin="topic", is_online=is_online)
    body = _object(payload)
    if rest.startswith("status/"):
        return _status(prefix, rest.removeprefix("status/"), body)
    if "result" in body or "error" in body:
        return _answer(prefix, body)
    return _notification(prefix, body)


def parts_of(topic: str) -> tuple[str, str]:
    """Return the device's prefix, which may have slashes in it, and what stands behind it; of an answer's topic, too."""
    if topic.endswith(EVENTS) and not topic.startswith(RPC_REPLIES):  # nearly all are
        return topic.removesuffix(EVENTS), "events/rpc"
    if reply := REPLY.fullmatch(topic):
        return reply["prefix"], "rpc"
    match = TOPIC.fullmatch(topic)
    return (match["prefix"], match["rest"]) if match else (topic, "")


def _object(payload: bytes) -> dict[str, Any]:
    try:
        body = orjson.loads(payload)
    except orjson.JSONDecodeError:
        raise PayloadError("El mensaje no es JSON válido.") from None
    if not isinstance(body, dict):
        raise PayloadError("El mensaje debe ser un objeto JSON.")
    return body


def _speaker(source: object, prefix: str) -> Speaker:
    """Identify by the frame's `src`: it stays the device id even when the owner set another topic prefix."""
    match = DEVICE_ID.fullmatch(source) if isinstance(source, str) else None
    if match is None:
        raise PayloadError("El mensaje no dice de qué dispositivo viene.", "src")
    return Speaker(match["mac"].lower(), match["model"].lower(), prefix)


def _speaker_of_prefix(prefix: str) -> Speaker:
    match = DEVICE_ID.fullmatch(prefix)
    return Speaker(match["mac"].lower(), match["model"].lower(), prefix) if match else Speaker(None, "", prefix)


def _status(prefix: str, component: str, body: dict[str, Any]) -> Notice | None:
    if not _is_metered(component):
        return Notice(_speaker_of_prefix(prefix), {}, None, is_full=False, origin="topic")
    return Notice(_speaker_of_prefix(prefix), {component: body}, _minute_of(body), is_full=False, origin="topic")


def _minute_of(body: dict[str, Any]) -> datetime | None:
    counter = body.get("aenergy")
    return device_time(counter.get("minute_ts")) if isinstance(counter, dict) else None


def _notification(prefix: str, body: dict[str, Any]) -> Notice:
    speaker = _speaker(body.get("src"), prefix)
    is_full = NOTIFICATIONS.get(str(body.get("method")))
    params = body.get("params")
    if is_full is None or not isinstance(params, dict):
        return Notice(speaker, {}, None, is_full=False, origin="notification")
    return Notice(speaker, _metered(params), device_time(params.get("ts")), is_full=is_full, origin="notification")


def _answer(prefix: str, body: dict[str, Any]) -> Notice:
    """Read an answer to our question for the whole status; any other answer is a sign of life."""
    speaker = _speaker(body.get("src"), prefix)
    result = body.get("result")
    if not isinstance(result, dict) or not isinstance(system := result.get("sys"), dict):
        return Notice(speaker, {}, None, is_full=False, origin="answer")
    return Notice(speaker, _metered(result), device_time(system.get("unixtime")), is_full=True, origin="answer")


@lru_cache(1024)
def _is_metered(component: str) -> bool:
    return bool(COMPONENT.fullmatch(component) or DATA_COMPONENT.fullmatch(component))


def _metered(params: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: fields for name, fields in params.items() if isinstance(fields, dict) and _is_metered(name)}
