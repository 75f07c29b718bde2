"""How the endpoints of control describe themselves in the OpenAPI schema."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema

from accounts.exceptions import ViewerMayNotChange
from common.paging import PAGE_SIZE, PageQuerySerializer
from common.schema import NEEDS_LOGIN, answer, asking, invalid, refusals
from devices.api.schema import DEVICE_ID
from devices.control.api.serializers import (
    ChannelOptionSerializer,
    CommandAnswerSerializer,
    CommandPageSerializer,
    CommandSerializer,
    OrderSerializer,
    RelayStatusSerializer,
    SetSerializer,
)
from devices.control.exceptions import BrokerAway, CommandNotFound, DeviceInactive, DeviceRefused, DeviceSilent
from devices.exceptions import DeviceNotFound
from devices.validators import WRONG_CHANNEL

LOOKING = NEEDS_LOGIN | refusals(DeviceNotFound)
ASKED = LOOKING | refusals(DeviceInactive, DeviceSilent, BrokerAway, DeviceRefused)
COMMAND_ID = OpenApiParameter("command_id", OpenApiTypes.INT64, OpenApiParameter.PATH)
EXAMPLE = {
    "success": True,
    "message": "Comando ejecutado correctamente",
    "device_name": "Cocina",
    "method": "Switch.Set",
    "was_on": False,
    "new_state": True,
    "action": "encendido",
    "error": None,
    "command_id": 17,
    "kept_until": None,
}
KEPT_EXAMPLE = EXAMPLE | {
    "success": False,
    "message": "El dispositivo no está en línea. El comando se enviará cuando vuelva.",
    **dict.fromkeys(("was_on", "new_state", "action")),
    "error": "Dispositivo no responde (Timeout)",
    "kept_until": "2026-11-24T14:00:00Z",
}
STATUS_EXAMPLE = {
    "success": True,
    "device_name": "Cocina",
    "status": {"id": 0, "source": "MQTT", "output": True, "apower": 1200.5, "voltage": 126.9, "current": 9.61},
    "error": None,
}
WAITING_EXAMPLE = {
    "command_id": 17,
    "channel": 0,
    "method": "Switch.Set",
    "on": True,
    "status": "waiting",
    "cause": "user",
    "schedule_id": None,
    "user_name": "Ana López",
    "created_at": "2026-11-24T13:00:00Z",
    "ended_at": None,
    "was_on": None,
    "new_state": None,
    "answer_ms": 5000,
    "error": "Dispositivo no responde (Timeout)",
    "expires_at": "2026-11-24T14:00:00Z",
}
PAGE_EXAMPLE = {"commands": [WAITING_EXAMPLE], "next": None}


def _described(operation: str, summary: str, *parameters: Any, **details: Any) -> Any:
    return extend_schema(
        tags=["control"], operation_id=f"control_{operation}", summary=summary, parameters=[DEVICE_ID, *parameters], **details
    )


def _switching(operation: str, summary: str, *, request: type[OrderSerializer] = OrderSerializer) -> Any:
    is_set = request is SetSerializer
    return _described(
        operation,
        summary,
        request=request,
        examples=asking({"state": True, "channel": 0} if is_set else {"channel": 0, "keep_for": 3600}),
        responses={
            200: answer(CommandAnswerSerializer, EXAMPLE, "The device has done it"),
            202: answer(CommandAnswerSerializer, KEPT_EXAMPLE, "The device is away, and the command waits for it"),
            **ASKED,
            **refusals(ViewerMayNotChange),
            **invalid("channel", WRONG_CHANNEL, value=99),
        },
    )


control_toggle = _switching("toggle", "Toggle a relay")
control_on = _switching("on", "Switch a relay on")
control_off = _switching("off", "Switch a relay off")
control_set = _switching("set", "Switch a relay on or off", request=SetSerializer)
control_status = _described(
    "status",
    "What a relay is now",
    ChannelOptionSerializer,
    description="What the device said in the last 5 s, else its answer to one request for all who wait.",
    responses={
        200: answer(RelayStatusSerializer, STATUS_EXAMPLE),
        **ASKED,
        **invalid("channel", WRONG_CHANNEL, value="x", place="query"),
    },
)
control_history = _described(
    "history",
    "The commands of a device, newest first",
    PageQuerySerializer,
    responses={200: answer(CommandPageSerializer, PAGE_EXAMPLE)}
    | LOOKING
    | invalid("limit", PAGE_SIZE, value="0", place="query"),
)
control_waiting = _described(
    "waiting",
    "The commands that wait for the device to come back",
    responses={200: answer(CommandSerializer(many=True), WAITING_EXAMPLE)} | LOOKING,
)
control_cancel = _described(
    "cancel",
    "Cancel a command that waits",
    COMMAND_ID,
    request=None,
    responses={204: None} | NEEDS_LOGIN | refusals(ViewerMayNotChange, DeviceNotFound, CommandNotFound),
)
