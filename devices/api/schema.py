"""How the devices' endpoints describe themselves in the OpenAPI schema."""

from collections.abc import Callable
from typing import Any, TypeVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema

from common.schema import NEEDS_LOGIN, Responses, answer, asking, invalid, refusals
from devices.api.serializers import (
    DeviceChangeSerializer,
    DeviceRegisterSerializer,
    DeviceSerializer,
    NearbyQuerySerializer,
    NearbySerializer,
)

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
    "dev_installed": "2026-11-23T06:58:00Z",
    "dev_online": True,
    "dev_last_seen": "2026-11-23T07:12:05Z",
    "dev_proven": True,
    "is_main": False,
    "channels": [{"number": 0, "name": "Cocina"}],
}
GUEST = "Como invitado puedes ver lo que hay en el hogar, pero no cambiarlo."
ERRORS: Responses = {
    **NEEDS_LOGIN,
    **refusals(
        {
            403: GUEST,
            404: "Dispositivo no encontrado o no pertenece al usuario.",
            409: "El ID de hardware ya está registrado.",
        }
    ),
    **invalid("dev_name", "El nombre debe tener de 1 a 100 caracteres.", value="", kind="blank"),
}
ANOTHER_HOME = refusals({403: (GUEST, "Otra cuenta tiene este dispositivo. Pide a su dueño que lo elimine.")})


def _errors(*codes: int) -> Responses:
    return {code: ERRORS[code] for code in codes}


def _device(description: str, value: Any = None) -> OpenApiResponse:
    return answer(DeviceSerializer, value or EXAMPLE, description)


def _described(operation: str, summary: str, **details: Any) -> Callable[[View], View]:
    decorator: Callable[[View], View] = extend_schema(
        tags=["devices"], operation_id=f"devices_{operation}", summary=summary, **details
    )
    return decorator


DEVICE_ID = OpenApiParameter("device_id", OpenApiTypes.INT64, OpenApiParameter.PATH, description="`dev_id` of the device.")

device_list = _described(
    "list",
    "List the home's devices",
    responses={200: answer(DeviceSerializer(many=True), EXAMPLE, "By id, oldest first")} | _errors(401),
)
device_create = _described(
    "create",
    "Register a device",
    request=DeviceRegisterSerializer,
    examples=asking({"dev_hardware_id": "A8032412C3D4", "dev_name": "Cocina"}),
    responses={201: _device("Registered")} | _errors(401, 409, 422) | ANOTHER_HOME,
)
device_retrieve = _described(
    "retrieve",
    "Read a device",
    parameters=[DEVICE_ID],
    responses={200: _device("The device")} | _errors(401, 404),
)
device_partial_update = _described(
    "partial_update",
    "Rename a device or its channels, or set its topic prefix",
    parameters=[DEVICE_ID],
    request=DeviceChangeSerializer,
    examples=asking({"dev_name": "Cocina y comedor", "dev_mqtt_prefix": None}),
    responses={200: _device("Changed", EXAMPLE | {"dev_name": "Cocina y comedor"})} | _errors(401, 403, 404, 422),
)
device_destroy = _described(
    "destroy",
    "Release a device",
    description=(
        "Any home may claim its hardware at once. What it measured stays in this home's totals, history, bills and export; claimed "
        "again by this home, it comes back with its `dev_id` and its past."
    ),
    parameters=[DEVICE_ID],
    responses={204: OpenApiResponse(description="Released; what it measured stays in the home's totals")}
    | _errors(401, 403, 404),
)
device_toggle = _described(
    "status",
    "Activate or deactivate monitoring",
    description="Without a body: the state changes to the other one. While it is off, readings are refused with 409.",
    parameters=[DEVICE_ID],
    request=None,
    responses={200: _device("The device in its new state", EXAMPLE | {"dev_status": False})} | _errors(401, 403, 404),
)
STRANGER = {"dev_hardware_id": "34987AE4D353", "dev_model": "shellypro4pm", "power_w": 412.5, "last_seen": "2026-11-23T07:12:05Z"}
device_nearby = _described(
    "nearby",
    "List unknown devices that may be the caller's",
    description="The one whose MAC is given, and those that posted from the caller's own public address within the hour.",
    parameters=[NearbyQuerySerializer],
    responses={
        200: answer(NearbySerializer(many=True), STRANGER, "The devices, the last heard first"),
        **NEEDS_LOGIN,
        **invalid("mac", "La MAC tiene doce dígitos hexadecimales.", value="xyz", place="query"),
    },
)
