"""How the devices' endpoints describe themselves in the OpenAPI schema."""

from collections.abc import Callable
from typing import Any, TypeVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema

from accounts.exceptions import NoHomeToChange, TooManyAttempts, ViewerMayNotChange
from common.paging import PAGE_SIZE, PageQuerySerializer
from common.schema import NEEDS_LOGIN, answer, asking, in_spanish, invalid, refusals
from devices.api.serializers import (
    FLAG,
    NAME,
    SHORT_ID,
    SWITCH_REQUEST,
    WRONG_MAC,
    DeviceChangeSerializer,
    DeviceRegisterSerializer,
    DeviceReplaceSerializer,
    DeviceSerializer,
    DeviceToProveSerializer,
    DeviceWithKeySerializer,
    EventPageSerializer,
    KeyRuleSerializer,
    NearbyQuerySerializer,
    NearbySerializer,
    ProofSerializer,
    SetupSerializer,
)
from devices.exceptions import DeviceNotFound, DeviceOfAnotherHome, DeviceTaken, KeyNotUsed, ProofUnavailable

View = TypeVar("View", bound=Callable[..., Any])

EXAMPLE: dict[str, Any] = {
    "dev_id": 5,
    "dev_user_id": 1,
    "dev_hardware_id": "A8032412C3D4",
    "dev_name": "Cocina",
    "dev_mqtt_prefix": "shellyplus1pm",
    "dev_status": True,
    "dev_brand": "Shelly",
    "dev_model": "shellyplus1pm",
    "dev_firmware": "1.7.5",
    "dev_generation": 2,
    "dev_installed": "2026-11-23T06:58:00Z",
    "dev_online": True,
    "dev_last_seen": "2026-11-23T07:12:05Z",
    "dev_proven": True,
    "dev_key_used": "2026-11-23T07:01:10Z",
    "dev_key_required": False,
    "is_main": False,
    "channels": [{"number": 0, "name": "Cocina", "kind": "refrigerator", "is_essential": True}],
}
NO_NAME = invalid("dev_name", NAME, value="", kind="blank")
NOT_CHANGED = NEEDS_LOGIN | refusals(ViewerMayNotChange, NoHomeToChange, DeviceNotFound)


def _device(description: str, **changes: Any) -> OpenApiResponse:
    return answer(DeviceSerializer, EXAMPLE | changes, description)


def _with_key(description: str, **changes: Any) -> OpenApiResponse:
    key = {"dev_key": "Qm9zcXVlIGRlIG5pZWJsYSBlbiBsYSBtYcOxYW5hLg"}
    return answer(DeviceWithKeySerializer, EXAMPLE | key | changes, description)


def _described(operation: str, summary: str, **details: Any) -> Callable[[View], View]:
    decorator: Callable[[View], View] = extend_schema(
        tags=["devices"], operation_id=f"devices_{operation}", summary=summary, **details
    )
    return decorator


DEVICE_ID = OpenApiParameter("device_id", OpenApiTypes.INT64, OpenApiParameter.PATH, description="`dev_id` of the device.")

device_list = _described(
    "list",
    "List the home's devices",
    responses={200: answer(DeviceSerializer(many=True), EXAMPLE, "By id, oldest first")} | NEEDS_LOGIN,
)
device_create = _described(
    "create",
    "Register a device",
    request=DeviceRegisterSerializer,
    examples=asking({"dev_hardware_id": "A8032412C3D4", "dev_name": "Cocina"}),
    responses={201: _with_key("Registered, with its key, which is shown this once", dev_key_used=None)}
    | NEEDS_LOGIN
    | refusals(ViewerMayNotChange, NoHomeToChange, DeviceOfAnotherHome, DeviceTaken)
    | NO_NAME,
)
device_retrieve = _described(
    "retrieve",
    "Read a device",
    parameters=[DEVICE_ID],
    responses={200: _device("The device")} | NEEDS_LOGIN | refusals(DeviceNotFound),
)
device_partial_update = _described(
    "partial_update",
    "Rename a device, say what its circuits are, or set its topic prefix",
    parameters=[DEVICE_ID],
    request=DeviceChangeSerializer,
    examples=asking({"dev_name": "Cocina y comedor", "channels": [{"number": 0, "kind": "refrigerator"}]}),
    responses={200: _device("Changed", dev_name="Cocina y comedor")} | NOT_CHANGED | NO_NAME,
)
device_replace = _described(
    "replace",
    "Put other hardware in a device's place",
    description=(
        "`dev_id`, name, circuits, history and schedules stay; the old hardware may be claimed anew. What was used between the old "
        "meter's last reading and the new one's first is unknown. Model and firmware are learnt from the new one."
    ),
    parameters=[DEVICE_ID],
    request=DeviceReplaceSerializer,
    examples=asking({"dev_hardware_id": "34987AE4D353"}),
    responses={200: _with_key("Replaced, with the new hardware's key", dev_hardware_id="34987AE4D353", dev_key_used=None)}
    | NEEDS_LOGIN
    | refusals(ViewerMayNotChange, DeviceOfAnotherHome, DeviceNotFound, DeviceTaken)
    | invalid("dev_hardware_id", SHORT_ID, value="xyz", kind="min_length"),
)
device_destroy = _described(
    "destroy",
    "Release a device",
    description=(
        "Any home may claim its hardware at once. What it measured stays in this home's totals, history, bills and export; claimed "
        "again by this home, it comes back with its `dev_id` and its past."
    ),
    parameters=[DEVICE_ID],
    responses={204: OpenApiResponse(description="Released; what it measured stays in the home's totals")} | NOT_CHANGED,
)
device_toggle = _described(
    "status",
    "Activate or deactivate monitoring",
    description="Without a body: the state changes to the other one. While it is off, readings are refused with 409.",
    parameters=[DEVICE_ID],
    request=None,
    responses={200: _device("The device in its new state", dev_status=False)} | NOT_CHANGED,
)
device_key_rotate = _described(
    "key_rotate",
    "Give a device a new key",
    description=(
        "For the header `X-Device-Key` of `/ingest/shelly` (or `key` in its query) and the device's own socket. It is shown this "
        "once. The key before is refused from now on, wherever the device still sends it."
    ),
    parameters=[DEVICE_ID],
    request=None,
    responses={200: _with_key("The device, with its new key", dev_key_used=None)} | NOT_CHANGED,
)
device_key_require = _described(
    "key_require",
    "Refuse a device's messages without its key, or take them again",
    parameters=[DEVICE_ID],
    request=KeyRuleSerializer,
    examples=asking({"required": True}),
    responses={200: _device("The device", dev_key_required=True)}
    | NOT_CHANGED
    | refusals(KeyNotUsed)
    | invalid("required", FLAG, value="quizás"),
)


def _setup_example(key: str | None) -> dict[str, Any]:
    server = f"wss://ecowatt.example.com/ws/shelly?token={key or 'TU_CLAVE'}"
    config = {"enable": True, "server": server, "ssl_ca": "ca.pem"}
    way = {
        "way": "websocket",
        "title": "WebSocket del propio dispositivo: sin broker ni script",
        "menu": "Settings > Outbound WebSocket",
        "is_available": True,
        "entries": {"Enable": "on", "Connection type": "Default TLS", "Server": server},
        "calls": [{"method": "Ws.SetConfig", "params": {"config": config}}, {"method": "Shelly.Reboot", "params": {}}],
        "script": None,
    }
    return {"dev_id": 5, "dev_key": key, "ways": [way]}


device_setup = _described(
    "setup",
    "Read how to let a Shelly report here",
    description=(
        "Three ways, the easiest first: the device's own WebSocket, MQTT, a script that posts. The addresses are those by which this "
        "call came in. Keys are kept as digests, so placeholders stand for them."
    ),
    parameters=[DEVICE_ID],
    responses={200: answer(SetupSerializer, _setup_example(None))} | NEEDS_LOGIN | refusals(DeviceNotFound),
)
device_setup_with_key = _described(
    "setup_with_key",
    "Give a device a new key, and read how to let it report here with it",
    description="As `GET`, with the new key and the password at the broker in their places. The key before is refused from now on.",
    parameters=[DEVICE_ID],
    request=None,
    responses={200: answer(SetupSerializer, _setup_example("Qm9zcXVlIGRlIG5pZWJsYSBlbiBsYSBtYcOxYW5hLg"))} | NOT_CHANGED,
)
UNCLAIMED = {
    "dev_hardware_id": "34987AE4D353",
    "dev_model": "shellypro4pm",
    "power_w": 412.5,
    "last_seen": "2026-11-23T07:12:05Z",
}
device_nearby = _described(
    "nearby",
    "List unknown devices that may be the caller's",
    description="The one whose MAC is given, and those that posted from the caller's own public address within the hour.",
    parameters=[NearbyQuerySerializer],
    responses={200: answer(NearbySerializer(many=True), UNCLAIMED, "The devices, the last heard first")}
    | NEEDS_LOGIN
    | invalid("mac", WRONG_MAC, value="xyz", place="query"),
)
PROOF = {
    "dev_hardware_id": "34987AE4D353",
    "is_proven": False,
    "switchings": 4,
    "switchings_seen": 1,
    "until": "2026-11-24T07:14:05Z",
    "message": in_spanish(SWITCH_REQUEST) % {"count": 4},
}
proof_start = _described(
    "proof_start",
    "Ask how to show that a device is the home's",
    request=DeviceToProveSerializer,
    examples=asking({"dev_hardware_id": "34987AE4D353"}),
    responses={201: answer(ProofSerializer, PROOF | {"switchings_seen": 0}, "Switch the device now, and no more often")}
    | NEEDS_LOGIN
    | refusals(ViewerMayNotChange, NoHomeToChange, TooManyAttempts, ProofUnavailable)
    | invalid("dev_hardware_id", WRONG_MAC, value="xyz"),
)
proof = _described(
    "proof",
    "See what has been shown of a device",
    parameters=[DeviceToProveSerializer],
    responses={200: answer(ProofSerializer, PROOF)}
    | NEEDS_LOGIN
    | refusals(ViewerMayNotChange, NoHomeToChange, ProofUnavailable)
    | invalid("dev_hardware_id", WRONG_MAC, value="xyz", place="query"),
)
EVENT = {
    "event_id": 31,
    "kind": "overpower",
    "title": "potencia excesiva",
    "channel": 0,
    "at": "2026-11-24T07:12:05Z",
    "ended_at": None,
    "details": {"power_w": 4120.0},
}
device_events = _described(
    "events",
    "What happened to a device, newest first",
    parameters=[DEVICE_ID, PageQuerySerializer],
    responses={200: answer(EventPageSerializer, {"events": [EVENT], "next": None})}
    | NEEDS_LOGIN
    | refusals(DeviceNotFound)
    | invalid("limit", PAGE_SIZE, value="0", place="query"),
)
