"""How the endpoints of limits describe themselves in the OpenAPI schema."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema

from accounts.exceptions import ViewerMayNotChange
from common.schema import NEEDS_LOGIN, answer, asking, invalid, refusals
from devices.api.schema import DEVICE_ID
from devices.exceptions import DeviceNotFound
from telemetry.limits.api.serializers import (
    ONE_KIND,
    DryRunAnswerSerializer,
    DryRunSerializer,
    LimitChangeSerializer,
    LimitCreateSerializer,
    LimitSerializer,
)
from telemetry.limits.exceptions import CircuitEssential, LimitNotFound, NoRelay, NoSuchChannel, TooManyLimits

LIMIT_ID = OpenApiParameter("limit_id", OpenApiTypes.INT64, OpenApiParameter.PATH)
ASKED = {"channel": 0, "power_w": 1500, "minutes": 10}
LIMIT = {
    "limit_id": 3,
    "channel": 0,
    "power_w": 1500.0,
    "minutes": 10,
    "kwh_a_day": None,
    "is_active": True,
    "passed_at": "2026-11-23T02:14:05Z",
    "note": None,
}
DRY_RUN = {
    "from": "2026-11-18T00:00:00-06:00",
    "to": "2026-11-24T13:05:00-06:00",
    "known_share": 0.984,
    "switch_offs": [
        {
            "at": "2026-11-22T20:14:05-06:00",
            "since": "2026-11-22T20:04:05-06:00",
            "until": "2026-11-22T21:31:40-06:00",
            "mean_power_w": 1702.4,
            "kwh": None,
        }
    ],
    "days": [{"date": "2026-11-22", "kwh": 4.218, "known_share": 0.991}],
}
LOOKING = NEEDS_LOGIN | refusals(DeviceNotFound, LimitNotFound)
CHANGING = NEEDS_LOGIN | refusals(ViewerMayNotChange, DeviceNotFound, LimitNotFound)
WRONG_KIND = invalid("power_w", ONE_KIND, kind="one_kind")
WRONG_CIRCUIT = (CircuitEssential, NoRelay, NoSuchChannel)
WOULD = (
    "What the limit would have done today and on the six days before, by what was measured, as if it had been there and switched nothing. "
    "Where readings are missing it would have done nothing; `known_share` says for how much of the time they are there."
)


def _described(operation: str, summary: str, *parameters: Any, **details: Any) -> Any:
    return extend_schema(
        tags=["control"], operation_id=f"limits_{operation}", summary=summary, parameters=[DEVICE_ID, *parameters], **details
    )


limit_list = _described(
    "list",
    "List the limits of a device's circuits",
    responses={200: answer(LimitSerializer(many=True), LIMIT)} | NEEDS_LOGIN | refusals(DeviceNotFound),
)
limit_create = _described(
    "create",
    "Set a limit at which a circuit is switched off",
    description=(
        "More than `power_w` in every reading of so many `minutes`, or `kwh_a_day` on the home's local day. It is not active unless "
        "`is_active` says so. A passed limit sends the device off within 10 minutes, or not at all, and tells the home. One of power acts "
        "again once the power has been lower or the circuit was switched on; one of energy on another day."
    ),
    request=LimitCreateSerializer,
    examples=asking(ASKED | {"is_active": True}),
    responses={201: answer(LimitSerializer, LIMIT | {"passed_at": None}, "Set")}
    | NEEDS_LOGIN
    | refusals(ViewerMayNotChange, DeviceNotFound, TooManyLimits, *WRONG_CIRCUIT),
)
limit_partial_update = _described(
    "partial_update",
    "Change or activate a limit",
    LIMIT_ID,
    request=LimitChangeSerializer,
    examples=asking({"minutes": 15, "is_active": True}),
    responses={200: answer(LimitSerializer, LIMIT | {"minutes": 15})} | CHANGING | WRONG_KIND,
)
limit_destroy = _described("destroy", "Delete a limit", LIMIT_ID, request=None, responses={204: None} | CHANGING)
limit_dry_run = _described(
    "dry_run",
    "See what a limit would have done",
    description=WOULD,
    request=DryRunSerializer,
    examples=asking(ASKED),
    responses={200: answer(DryRunAnswerSerializer, DRY_RUN)} | NEEDS_LOGIN | refusals(DeviceNotFound, *WRONG_CIRCUIT),
)
limit_stored_dry_run = _described(
    "stored_dry_run",
    "See what a stored limit would have done",
    LIMIT_ID,
    description=WOULD,
    request=None,
    responses={200: answer(DryRunAnswerSerializer, DRY_RUN)} | LOOKING,
)
