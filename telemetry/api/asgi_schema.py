"""The readings' ways in and the live sockets in the OpenAPI schema: they stand beside Django's views, which describe themselves."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import orjson

from devices.sockets.device_socket import CloseCode as DeviceClose
from telemetry.ingest import http as ingest
from telemetry.live.frames import LiveReading, frame
from telemetry.live.hub import CloseCode
from telemetry.shelly.samples import PayloadError
from telemetry.shelly.status import COMPONENT

Described = dict[str, Any]
NUMBER = {"type": ["number", "string"], "description": "A number, or a string that reads as one."}
NUMBER_OR_NULL = {"type": ["number", "string", "null"]}

PLAIN = {"switch:0": {"id": 0, "apower": 412.5, "voltage": 127.1, "current": 3.25}, "sys": {"mac": "A8032412C3D4"}}
COUNTED = {
    "switch:0": {"id": 0, "output": True, "apower": 412.5, "voltage": 127.1, "current": 3.25, "aenergy": {"total": 81234.567}},
    "switch:1": {"id": 1, "output": False, "apower": 0.0, "voltage": 127.1, "current": 0.0, "aenergy": {"total": 912.004}},
    "sys": {"mac": "A8032412C3D4", "unixtime": 1795442280},
}
AT = datetime(2026, 11, 23, 13, 58, tzinfo=UTC).timestamp()
READINGS = {0: LiveReading(0, AT, 412.5, 127.1, 3.25), 1: LiveReading(1, AT - 2.5, 88.0, 127.3, 0.75)}
NOTIFICATION = {
    "src": "shellyplus1pm-a8032412c3d4",
    "dst": "ws",
    "method": "NotifyStatus",
    "params": {"ts": 1795442280.42, "switch:0": {"id": 0, "output": True, "apower": 412.5, "current": 3.25}},
}
FRAME = orjson.loads(frame(READINGS, {0: True}, AT))
WRONG = ingest.unprocessable(PayloadError("La MAC del dispositivo falta o no es válida.", "sys.mac"))
BEYOND = ingest.unprocessable(ingest.BEYOND_MODEL)
REFUSED = (ingest.UNKNOWN, ingest.INACTIVE, ingest.TOO_LARGE, WRONG, BEYOND, ingest.too_many(), ingest.AWAY, ingest.BUSY)

KEY = (
    "The device's own key. A wrong one is refused as if no home had the device, and so is none where the device or the installation "
    "requires it."
)
CHANNEL = {
    "type": "object",
    "description": "One metered component as its device reports it; `em` has three phases (`a_act_power`, `a_voltage`, …).",
    "properties": {
        "id": {"type": "integer"},
        "apower": NUMBER_OR_NULL | {"description": "Active power, W; negative is power returned to the grid."},
        "voltage": NUMBER_OR_NULL | {"description": "V"},
        "current": NUMBER_OR_NULL | {"description": "A"},
        "aenergy": {"type": "object", "properties": {"total": NUMBER | {"description": "The device's energy counter, Wh."}}},
    },
}
COMPONENTS: Described = {
    "ShellyFrame": {
        "type": "object",
        "required": ["src"],
        "properties": {
            "src": {"type": "string", "description": "The device's id, `<model>-<mac>`."},
            "dst": {"type": "string", "description": "Of an answer, the request's `src`."},
            "method": {"type": "string", "description": "Of a notification; others than `Notify…Status` are signs of life."},
            "params": {"type": "object", "description": "`ts`, and what has changed of each component."},
            "id": {"type": "integer", "description": "Of an answer, that of the request; it has `result` or `error`."},
        },
    },
    "ShellyStatus": {
        "type": "object",
        "description": "A Gen2+ status as `Shelly.GetStatus` gives it, or the part of it that has been measured; other keys are ignored.",
        "required": ["sys"],
        "properties": {
            "sys": {
                "type": "object",
                "required": ["mac"],
                "properties": {
                    "mac": {"type": "string", "description": "12 hexadecimal digits, with or without separators."},
                    "unixtime": NUMBER_OR_NULL | {"description": "When it was measured; used unless it is older than 7 days."},
                },
            }
        },
        "patternProperties": {f"^{COMPONENT.pattern}$": CHANNEL},
    },
    "Received": {"type": "object", "required": ["status"], "properties": {"status": {"type": "string", "const": "received"}}},
    "LiveFrame": {
        "type": "object",
        "required": ["watts", "volts", "amps", "time", "channels"],
        "properties": {
            "watts": {"type": "number", "description": "Active power of all channels together, W."},
            "volts": {"type": "number", "description": "Of the first channel that tells it, V; 0 where none does."},
            "amps": {"type": "number", "description": "Current of all channels together, A; 0 where none is known."},
            "time": {"type": "string", "format": "date-time", "description": "When the message was measured."},
            "channels": {"type": "array", "items": {"$ref": "#/components/schemas/LiveChannel"}},
        },
    },
    "LiveChannel": {
        "type": "object",
        "description": "A channel as last heard, be it in an earlier message.",
        "required": ["channel", "watts", "volts", "amps", "output", "time"],
        "properties": {
            "channel": {"type": "integer"},
            "watts": {"type": "number", "description": "Active power, W; negative is power returned to the grid."},
            "volts": {"type": "number", "description": "V; 0 where it is not known."},
            "amps": {"type": "number", "description": "A; 0 where it is not known."},
            "output": {
                "type": ["boolean", "null"],
                "description": "Whether the channel's relay is on; null where it has none, or has not said.",
            },
            "time": {"type": "string", "format": "date-time", "description": "When this channel was measured."},
        },
    },
}
LIVE = f"""\
A WebSocket. After the handshake come the last reading, if it is less than a minute old, and then one frame for each message of the device
as it is stored, also where it tells of a relay alone: text frames, each a JSON object as below. Nothing that is stored after the
handshake's answer is missed. The client sends nothing; what it sends is discarded. The socket lives as long as the token's session, also
when the token itself has expired.

A bad token, an unknown device or one of another home is refused in the handshake with HTTP 403. Later the server closes with

| code | why |
|---|---|
| {CloseCode.GONE} | the device was removed, or its home no longer has the user: there is nothing to come back to |
| {CloseCode.SESSION_ENDED} | the session is over: log in again |
| {CloseCode.TOO_SLOW} | the client fell behind and misses frames: connect again |
| {CloseCode.TRY_AGAIN} | live readings are interrupted, as by a restart: connect again |
"""

DEVICE_SOCKET = f"""\
A WebSocket that the device opens itself (`Ws.SetConfig`), with subprotocol `json-rpc` if it offers that: nothing to install but EcoWatt. It
sends the frames that it would send over MQTT, at most 16 KiB each: `NotifyFullStatus`, `NotifyStatus`, and answers to the requests that the
server sends on the same socket. The protocol has no acknowledgement. A newer socket of the same device takes the place of the older one.

A token that is no active device's key is refused in the handshake with HTTP 403. Later the server closes with

| code | why |
|---|---|
| {DeviceClose.GOING_AWAY} | the server stops: connect again |
| {DeviceClose.TOO_LARGE} | a frame is too large |
| {DeviceClose.TRY_AGAIN} | the database is away, and too much waits: connect again later |
| {DeviceClose.KEY_REVOKED} | the key was replaced, or the device was deactivated or deleted |
| {DeviceClose.FOREIGN_SOURCE} | a frame names another device as its source (`src`) |
| {DeviceClose.REPLACED} | the device has opened another socket |
| {DeviceClose.TOO_MANY} | more messages in a minute than a meter has to say |
"""


def _content(component: str, examples: dict[str, Any]) -> Described:
    named = {name: {"value": value} for name, value in examples.items()}
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{component}"}, "examples": named}}


def _refusals(answers: Iterable[ingest.Answer]) -> Described:
    """Describe answers of the way in by what they say, several of one status together."""
    said: dict[int, dict[str, Any]] = {}
    for status, payload, _headers in answers:
        body = orjson.loads(payload)
        sentence = body["detail"] if isinstance(body["detail"], str) else body["detail"][0]["msg"]
        said.setdefault(status, {})[sentence] = body
    return {
        str(status): {
            "description": " / ".join(bodies),
            "content": _content("ValidationError" if status == 422 else "Error", bodies),
        }
        for status, bodies in said.items()
    }


def _ingest() -> Described:
    body = _content("Received", {"Respuesta": orjson.loads(ingest.RECEIVED[1])})
    return {
        "operationId": "ingest_shelly",
        "tags": ["ingest"],
        "summary": "Take a Shelly's readings in",
        "description": "What a script on the Shelly posts. A channel comes for each metered component; a body has at most 16 KiB.",
        "parameters": [
            {"name": "X-Device-Key", "in": "header", "schema": {"type": "string"}, "description": KEY},
            {"name": "key", "in": "query", "schema": {"type": "string"}, "description": "The same, for what can set no header."},
        ],
        "requestBody": {"required": True, "content": _content("ShellyStatus", {"Lectura": PLAIN, "Con contadores": COUNTED})},
        "security": [],
        "responses": {"200": {"description": "Stored: the database has committed.", "content": body}, **_refusals(REFUSED)},
    }


def _live() -> Described:
    device = {"name": "device_id", "in": "path", "required": True, "schema": {"type": "integer"}, "description": "`dev_id`"}
    token = {"name": "token", "in": "query", "required": True, "schema": {"type": "string"}, "description": "An access token."}
    return {
        "operationId": "live_device",
        "tags": ["live"],
        "summary": "Watch a device live (WebSocket)",
        "description": LIVE,
        "parameters": [device, token],
        "security": [],
        "responses": {
            "101": {
                "description": "Connected; each frame is one of these.",
                "content": _content("LiveFrame", {"Lectura": FRAME}),
            },
            "403": {"description": "Refused in the handshake."},
        },
    }


def _device_socket() -> Described:
    token = {
        "name": "token",
        "in": "query",
        "required": True,
        "schema": {"type": "string"},
        "description": "The device's own key.",
    }
    return {
        "operationId": "shelly_socket",
        "tags": ["ingest"],
        "summary": "Take a Shelly's own socket (WebSocket)",
        "description": DEVICE_SOCKET,
        "parameters": [token],
        "security": [],
        "responses": {
            "101": {
                "description": "Connected; each frame of the device is one of these.",
                "content": _content("ShellyFrame", {"Cambio": NOTIFICATION}),
            },
            "403": {"description": "Refused in the handshake."},
        },
    }


def described_beside_django(result: Described, **_unused: Any) -> Described:
    """Add them to the schema: a postprocessing hook of drf-spectacular."""
    result["paths"] |= {
        "/api/v1/ingest/shelly": {"post": _ingest()},
        "/ws/shelly": {"get": _device_socket()},
        "/ws/live/{device_id}": {"get": _live()},
    }
    result["components"]["schemas"] |= COMPONENTS
    return result
