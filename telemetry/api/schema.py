"""How the endpoints of history describe themselves in the OpenAPI schema; the ways in and the live socket do in `asgi_schema`."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema

from accounts.exceptions import NoHome, OwnerOnly
from common.schema import NEEDS_LOGIN, answer, invalid, refusals
from devices.api.schema import DEVICE_ID
from devices.exceptions import DeviceNotFound
from telemetry.api.downloads import DownloadUnderWay
from telemetry.api.serializers import (
    TOO_LONG,
    WRONG_END,
    WRONG_PERIOD,
    DaysSerializer,
    DiscardedSerializer,
    DiscardQuery,
    ExportQuery,
    GraphQuery,
    GraphSerializer,
    HistoryQuery,
)

GRAPH = {
    "period": "weekly",
    "unit": "kWh",
    "resolution": "1d",
    "data_points": [
        {"timestamp": "2026-11-22T12:00:00-06:00", "date": "2026-11-22", "value": 7.4120631},
        {"timestamp": "2026-11-23T12:00:00-06:00", "date": "2026-11-23", "value": None},
    ],
}
DAYS = {
    "labels": ["2026-11-22T12:00:00-06:00", "2026-11-23T12:00:00-06:00"],
    "dates": ["2026-11-22", "2026-11-23"],
    "watts": [308.83, None],
    "volts": [126.91, None],
    "amps": [2.581, None],
    "kwh": [7.4120631, None],
    "resolution": "1d",
}
EXPORT = """\
A CSV file (UTF-8) with a header, a line for each reading (`raw`) or bucket (`5m`, `1h`, `1d`), by device, channel and time. Devices
are named by hardware id (MAC). `time` and `start` are UTC; a day's `date` is local. Energy is in Wh: `measured_wh + recovered_wh` is
what was drawn, the second being known from a counter that moved across a gap; `returned_wh` went back to the grid. Power is in W,
`covered_s` are the seconds that readings cover, and `flags` add up from 1 (recovered energy), 2 (a counter's jump was rejected) and
4 (a counter began again from zero). A reading's `kind` is that of the component that measured it (`switch`, `cover`, …), empty where it
is not known; each kind counts for itself, and a channel's readings go by kind before time. Numbers read back as exactly the same values.
`manage.py import_history` takes the file, but for `1d`, on another installation; buckets that came from there are exported like any other.

A user has one download at a time. Without `from` it goes back a day (`raw`, `5m`) or seven. A question can't be longer than what is
kept, or ten years of hours or days.
"""
FILE = (
    "resolution,hardware_id,channel,start,measured_wh,recovered_wh,returned_wh,covered_s,samples,power_min_w,power_mean_w,"
    "power_max_w,voltage_v,current_a,flags\r\n"
    "5m,A8032412C3D4,0,2026-11-23T06:00:00Z,34.375,0,0,300,60,398.2,412.5,431,127.1,3.25,0\r\n"
)
DISCARD = """\
For readings that are wrong: of a meter that was put on another circuit, or that somebody else sent in its name. Owner only; it can't be
undone, and who did it is kept. The span is widened to whole five minutes, and to whole hours where only these are left. What was used then
is unknown from now on: the counter's movement across it is not counted, and what comes after counts from its own first reading.
"""
DISCARDED = {
    "from": "2026-11-22T18:00:00-06:00",
    "to": "2026-11-22T21:30:00-06:00",
    "readings": 2520,
    "five_minutes": 42,
    "hours": 3,
    "kwh": 4.218,
}
ERRORS = NEEDS_LOGIN | refusals(DeviceNotFound, NoHome)
END = invalid("to", WRONG_END, value="2026-11-20", place="query")

graph = extend_schema(
    operation_id="history_graph",
    summary="Read energy over time",
    tags=["history"],
    parameters=[GraphQuery],
    responses={200: answer(GraphSerializer, GRAPH)}
    | ERRORS
    | invalid("period", WRONG_PERIOD, kind="invalid_choice", value="yearly", place="query"),
)
last7days = extend_schema(
    operation_id="history_last7days",
    summary="Read mean power, voltage and current by day",
    tags=["history"],
    parameters=[HistoryQuery],
    responses={200: answer(DaysSerializer, DAYS)} | ERRORS | END,
)
export = extend_schema(
    operation_id="history_export",
    summary="Export readings or buckets as CSV",
    description=EXPORT,
    tags=["history"],
    parameters=[ExportQuery],
    responses={
        (200, "text/csv"): OpenApiResponse(
            OpenApiTypes.STR, "The file", [OpenApiExample("Cinco minutos", value=FILE, response_only=True)]
        ),
        **ERRORS,
        **refusals(DownloadUnderWay),
        **invalid("from", TOO_LONG, kind="date_range", value="2020-01-01", place="query"),
    },
)
discard = extend_schema(
    operation_id="device_readings_discard",
    summary="Discard what a device measured in a span of time",
    description=DISCARD,
    tags=["devices"],
    parameters=[
        DEVICE_ID,
        *(
            OpenApiParameter(name, {"type": "string", "format": "date-time"}, required=True, description=field.help_text)
            for name, field in DiscardQuery().get_fields().items()
        ),
    ],
    responses={200: answer(DiscardedSerializer, DISCARDED, "Discarded")}
    | NEEDS_LOGIN
    | refusals(OwnerOnly, DeviceNotFound)
    | END,
)
