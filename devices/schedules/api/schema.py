"""How the schedules' endpoints describe themselves in the OpenAPI schema."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema

from accounts.exceptions import ViewerMayNotChange
from common.schema import NEEDS_LOGIN, answer, asking, invalid, refusals
from devices.api.schema import DEVICE_ID
from devices.exceptions import DeviceNotFound, ScheduleNotFound
from devices.models.schedules import ESSENTIAL
from devices.schedules.api.serializers import ScheduleChangeSerializer, ScheduleSerializer

SCHEDULE_ID = OpenApiParameter("schedule_id", OpenApiTypes.INT64, OpenApiParameter.PATH)
REFUSED = NEEDS_LOGIN | refusals(ViewerMayNotChange, DeviceNotFound)
NOT_CHANGED = NEEDS_LOGIN | refusals(ViewerMayNotChange, DeviceNotFound, ScheduleNotFound)
ASKED = {"channel": 0, "action": "off", "time": "22:30", "weekdays": [1, 2, 3, 4, 5]}
EXAMPLE = {
    "schedule_id": 3,
    **ASKED,
    "after_minutes": None,
    "is_paused": False,
    "next_times": ["2026-11-24T22:30:00-06:00", "2026-11-25T22:30:00-06:00", "2026-11-26T22:30:00-06:00"],
    "last": {
        "at": "2026-11-24T04:30:00Z",
        "outcome": "expired",
        "message": "El dispositivo no estuvo en línea a tiempo.",
        "command_id": 17,
    },
}
IS_ESSENTIAL = invalid("action", ESSENTIAL, value="off")


def _described(operation: str, summary: str, *parameters: Any, **details: Any) -> Any:
    return extend_schema(
        tags=["schedules"],
        operation_id=f"schedules_{operation}",
        summary=summary,
        parameters=[DEVICE_ID, *parameters],
        **details,
    )


schedule_list = _described(
    "list",
    "List a device's schedules",
    responses={200: answer(ScheduleSerializer(many=True), EXAMPLE, "By id, oldest first")}
    | NEEDS_LOGIN
    | refusals(DeviceNotFound),
)
schedule_create = _described(
    "create",
    "Have a relay switched by the clock",
    description=(
        "At a local time of the home on chosen weekdays, or off after some minutes on. A time that daylight saving leaves out "
        "comes at the first moment after the gap, one that comes twice the first time. What is more than 10 minutes late is skipped; "
        "`/control/{device_id}/history` has each command, with `cause` `schedule`."
    ),
    request=ScheduleChangeSerializer,
    examples=asking(ASKED),
    responses={201: answer(ScheduleSerializer, EXAMPLE | {"last": None}, "Created")} | REFUSED | IS_ESSENTIAL,
)
schedule_partial_update = _described(
    "partial_update",
    "Change, pause or resume a schedule",
    SCHEDULE_ID,
    request=ScheduleChangeSerializer,
    examples=asking({"is_paused": True}),
    responses={200: answer(ScheduleSerializer, EXAMPLE | {"is_paused": True, "next_times": []}, "Changed")}
    | NOT_CHANGED
    | IS_ESSENTIAL,
)
schedule_destroy = _described("destroy", "Delete a schedule", SCHEDULE_ID, request=None, responses={204: None} | NOT_CHANGED)
