"""POST /api/v1/ingest/shelly: readings over HTTP, an ASGI application beside Django's stack.

It skips Django's middleware on purpose: this is the busiest path of the system, and it needs no session, user or language.
"""

import contextlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import orjson
from django.conf import settings
from django.db import DatabaseError

from common.async_database import in_own_thread
from common.client_addresses import client_address, household_of
from devices import services
from devices.discovery import PRIVATE, UnprovenDevice
from devices.learning import Identity
from devices.ownership.keys import NO_KEY, digest_of
from devices.presence.reporter import presence_reporter
from devices.registry import RegisteredDevice
from telemetry.ingest.faults import notices_of_status
from telemetry.ingest.message_limits import MinuteLimit, seconds_left
from telemetry.ingest.mqtt_activity import FRAMES_LATE_S, KEPT_S, mqtt_activity
from telemetry.ingest.writer import DatabaseAway, Outcome, Overloaded, Refused, writer
from telemetry.shelly.samples import PayloadError, Sample, own_second, trusted_time
from telemetry.shelly.status import is_switched_on, parse_status

Event = dict[str, Any]  # of ASGI, or the scope of a request
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
Answer = tuple[int, bytes, list[tuple[bytes, bytes]]]


def _json(status: int, body: object, *headers: tuple[bytes, bytes]) -> Answer:
    payload = orjson.dumps(body)
    return status, payload, [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(payload)), *headers]


RECEIVED = _json(200, {"status": "received"})
UNKNOWN = _json(404, {"detail": "El dispositivo no está registrado."})
INACTIVE = _json(409, {"detail": "El monitoreo de este dispositivo está desactivado."})
TOO_LARGE = _json(413, {"detail": "El mensaje es demasiado grande."}, (b"connection", b"close"))
METHOD_NOT_ALLOWED = _json(405, {"detail": "Método no permitido."}, (b"allow", b"POST"))
AWAY = _json(503, {"detail": "La base de datos no está disponible. Intenta de nuevo."}, (b"retry-after", b"5"))
BUSY = _json(503, {"detail": "El servidor está saturado. Intenta de nuevo."}, (b"retry-after", b"1"))
IMPOSSIBLE = PayloadError("El valor está fuera de lo posible.")
BEYOND_MODEL = PayloadError(
    "El modelo no tiene este canal o no mide tanta potencia; lo demás se guardó. Si el canal existe, ponle nombre."
)


# Of one process, whoever its senders are.
_of_address, _of_device = MinuteLimit(), MinuteLimit()


class Disconnected(Exception):
    """The sender went away before the end of the body."""


async def shelly_endpoint(scope: Event, receive: Receive, send: Send) -> None:
    """Store a Shelly's status and answer once it is committed."""
    try:
        status, body, headers = await _answer(scope, receive)
    except Disconnected:
        return
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


async def _answer(scope: Event, receive: Receive) -> Answer:
    if scope["method"] != "POST":
        return METHOD_NOT_ALLOWED
    address = household(scope)
    if address and not _of_address.admits(address, settings.TELEMETRY_MESSAGES_PER_ADDRESS_PER_MINUTE):
        return too_many()
    body = await _read(scope, receive)
    if body is None:
        return TOO_LARGE
    try:
        mac, samples = parse_status(body, max_power_w=settings.TELEMETRY_MAX_POWER_W)
    except PayloadError as error:
        return unprocessable(error)
    if not _of_device.admits(mac, settings.TELEMETRY_MESSAGES_PER_DEVICE_PER_MINUTE):
        return too_many()
    return await _stored(body, address, mac, samples, _key(scope))


async def _stored(body: bytes, address: str | None, mac: str, samples: list[Sample], key: bytes) -> Answer:
    now = datetime.now(UTC)
    time = trusted_time(samples[0].time, now)  # a message has one
    has_clock = time is samples[0].time
    timed = [sample._replace(time=own_second(time) if has_clock else time) for sample in samples]
    since_frame_s = now.timestamp() - await mqtt_activity().last_frame(mac)
    counted = _beside_frames(timed, since_frame_s, has_clock=has_clock)
    try:
        outcomes = await writer().store({mac: counted}, {} if counted else {mac: timed}, key=key)
    except Refused:
        return unprocessable(IMPOSSIBLE)
    except DatabaseAway:
        return AWAY
    except Overloaded:
        return BUSY
    outcome = outcomes[mac]
    if outcome.device is not None:
        _report(outcome.device, body, samples, now, time)
        if key and not outcome.device.key.is_used:
            await _note_key(outcome.device.device_id, key)
    if outcome.needs_proof:
        device = _unproven(address, body, mac, timed)
        presence_reporter().unproven(device._replace(is_claimed=outcome.is_claimed))
    return _answer_of(outcome)


def _report(device: RegisteredDevice, body: bytes, samples: list[Sample], now: datetime, time: datetime) -> None:
    """Report that a device is alive, which channels it has, and what is wrong with it."""
    reporter = presence_reporter()
    reporter.alive(device.device_id, now.timestamp())
    reporter.identity(device, Identity(channels=frozenset(one.channel for one in samples)))
    if device.is_active and (b'"errors"' in body or b'"uptime"' in body):  # else it says nothing of it, as most scripts
        for notice in notices_of_status(orjson.loads(body)):
            reporter.notice(device.device_id, notice, time)


def _answer_of(outcome: Outcome) -> Answer:
    if outcome.device is None:
        return UNKNOWN
    if not outcome.device.is_active:
        return INACTIVE
    return unprocessable(BEYOND_MODEL) if outcome.is_partial else RECEIVED


def _unproven(address: str | None, body: bytes, mac: str, samples: list[Sample]) -> UnprovenDevice:
    power_w = sum(sample.power_w for sample in samples if sample.power_w is not None)
    return UnprovenDevice(mac, "", power_w, address, is_on=is_switched_on(orjson.loads(body), power_w), place=address or PRIVATE)


def _beside_frames(samples: list[Sample], since_frame_s: float, *, has_clock: bool) -> list[Sample]:
    """Return what makes readings, of a device whose last frame came over MQTT so long ago.

    Its frames say all that a script posts without the device's clock and counter. A counter on our clock beside one on the device's
    would be energy that nobody used, also where frames are only late.
    """
    if since_frame_s > KEPT_S or (has_clock and all(one.energy_wh is not None for one in samples)):
        return samples
    if since_frame_s < FRAMES_LATE_S:
        return []
    return samples if has_clock else [one._replace(energy_wh=None, returned_wh=None) for one in samples]


def _key(scope: Event) -> bytes:
    """Return the digest of the key in the header `X-Device-Key`, else in the query's `key`; NO_KEY without one."""
    given: bytes | str = next((value for name, value in scope["headers"] if name == b"x-device-key"), b"").strip()
    if not given and scope["query_string"]:
        given = parse_qs(scope["query_string"].decode("latin-1")).get("key", [""])[0]
    return digest_of(given) if given else NO_KEY


async def _note_key(device_id: int, key: bytes) -> None:
    """Note that the device has presented its key, once; where the database is away the next message does."""
    with contextlib.suppress(DatabaseError):
        await in_own_thread(services.device_key_used, device_id=device_id, digest=key)


def household(scope: Event) -> str | None:
    """Return the public address from which a device sends, None for a private one."""
    peer = scope.get("client")
    forwarded = ",".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for")
    return household_of(client_address(peer[0] if peer else None, forwarded, settings.PROXY_COUNT))


async def _read(scope: Event, receive: Receive) -> bytes | None:
    """Return the body, or None where it is over the limit (announced or not). Raises Disconnected: half a body is none."""
    limit = settings.TELEMETRY_BODY_LIMIT_BYTES
    announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    if announced.isdigit() and int(announced) > limit:
        return None
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        body += bytes(message.get("body", b""))
        if len(body) > limit:
            return None
        if not message.get("more_body"):
            return body


def too_many() -> Answer:
    """Return the answer to a sender past its limit, with the seconds until the next minute."""
    detail = {"detail": "Demasiadas peticiones. Inténtalo de nuevo más tarde."}
    return _json(429, detail, (b"retry-after", b"%d" % seconds_left()))


def unprocessable(error: PayloadError) -> Answer:
    """Return the answer to a body that can't be read or be true."""
    place = ["body", *(error.field.split(".") if error.field else ())]
    return _json(422, {"detail": [{"type": "value_error", "loc": place, "msg": str(error), "input": None}]})
