"""The past as a file: whole, exact, the caller's own, and in flat memory."""

import asyncio
import csv
import tracemalloc
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, connections
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from accounts.models import Home, User
from conftest import access_token
from devices.models import Device
from ecowatt.asgi import application
from telemetry.history import export
from telemetry.models import FiveMinutes, Hour, Reading, Series
from telemetry.tests.past import past_store, some_hours_ago

EXPORT = "/api/v1/history/export"


@pytest.fixture
def other(home: Home) -> Device:
    return Device.objects.create(home=home, hardware_id="0032412c3d4e", name="Sala")


@pytest.fixture
def start(meter: Device, other: Device) -> datetime:
    start = some_hours_ago()
    past_store(meter, other, start)
    return start


def lines(client: APIClient, **query: Any) -> list[dict[str, str]]:
    answer = client.get(EXPORT, query)
    assert answer.status_code == 200, answer.content
    text = b"".join(answer).decode()
    assert text.endswith("\r\n")
    return list(csv.DictReader(text.splitlines()))


def number(text: str) -> float | None:
    return float(text) if text else None


@pytest.mark.django_db
def test_every_reading_comes_out_as_it_was_stored(
    api: APIClient, start: datetime, meter: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PAGE", 100)
    found = [
        line for line in lines(api, resolution="raw", **{"from": start.isoformat()}) if line["hardware_id"] == "A8032412C3D4"
    ]
    stored = Reading.objects.filter(device_id=meter.pk).order_by("channel", "time")
    assert [(int(line["channel"]), datetime.fromisoformat(line["time"])) for line in found] == [
        (one.channel, one.time) for one in stored
    ]
    for name in ("power_w", "voltage_v", "current_a", "energy_wh", "returned_wh"):
        assert [number(line[name]) for line in found] == [getattr(one, name) for one in stored]


@pytest.mark.django_db
@pytest.mark.parametrize(("resolution", "model"), [("5m", FiveMinutes), ("1h", Hour)])
def test_every_column_of_a_bucket_reads_back_as_the_same_value(
    api: APIClient, start: datetime, meter: Device, resolution: str, model: type[FiveMinutes] | type[Hour]
) -> None:
    found = lines(api, resolution=resolution, device_id=meter.pk, channel=1, **{"from": start.isoformat()})
    stored = model.objects.filter(device_id=meter.pk, channel=1).order_by("start")
    assert [line["start"] for line in found] == [f"{one.start:%Y-%m-%dT%H:%M:%SZ}" for one in stored]
    for name in set(found[0]) - {"resolution", "hardware_id", "channel", "start"}:
        assert [number(line[name]) for line in found] == [getattr(one, name) for one in stored], name


@pytest.mark.django_db
def test_lines_go_by_device_channel_and_time(api: APIClient, start: datetime) -> None:
    found = lines(api, resolution="5m", **{"from": start.isoformat()})
    order = [(line["hardware_id"], int(line["channel"]), line["start"]) for line in found]
    assert order == sorted(order)
    assert {key[:2] for key in order} == {("0032412C3D4E", 0), ("A8032412C3D4", 0), ("A8032412C3D4", 1)}


@pytest.mark.django_db
def test_days_are_local_dates_and_sums_of_their_hours(api: APIClient, meter: Device) -> None:
    Series.objects.create(device_id=meter.pk, channel=0)
    for start, energy in [("2026-11-20T05:00Z", 1.0), ("2026-11-20T06:00Z", 2.0), ("2026-11-21T05:00Z", 4.0)]:
        add_hour(meter, datetime.fromisoformat(start), energy)
    found = lines(api, resolution="1d", **{"from": "2026-11-19", "to": "2026-11-20"})
    assert [(line["date"], float(line["measured_wh"])) for line in found] == [("2026-11-19", 1.0), ("2026-11-20", 6.0)]
    assert [line["samples"] for line in found] == ["3", "6"]


def add_hour(device: Device, start: datetime, energy: float) -> None:
    known = {"covered_s": 3600, "samples": 3, "power_mean_w": energy, "voltage_v": 127}
    Hour.objects.create(device_id=device.pk, channel=0, start=start, measured_wh=energy, recovered_wh=0, returned_wh=0, **known)


@pytest.mark.django_db
def test_the_answer_is_an_attachment_that_says_what_it_holds(api: APIClient) -> None:
    for accepted in ("*/*", "text/csv", "application/json"):
        answer = api.get(EXPORT, {"from": "2026-11-01", "to": "2026-11-02"}, headers={"Accept": accepted})
        assert answer["Content-Type"] == "text/csv; charset=utf-8"
        assert answer["Content-Disposition"] == 'attachment; filename="ecowatt-1h-20261101-20261102.csv"'
        assert b"".join(answer).startswith(b"resolution,hardware_id,channel,start,measured_wh,")


@pytest.mark.django_db
def test_export_needs_login_and_hides_other_homes(
    anonymous_api: APIClient, stranger_api: APIClient, api: APIClient, start: datetime, meter: Device
) -> None:
    assert anonymous_api.get(EXPORT, headers={"Accept": "text/csv"}).status_code == 401
    assert lines(stranger_api, resolution="raw") == []
    answer = stranger_api.get(EXPORT, {"device_id": meter.pk})
    assert (answer.status_code, answer.json()) == (404, {"detail": "Dispositivo no encontrado o no pertenece al usuario."})
    assert api.get(f"{EXPORT}/").status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"resolution": "1w"}, "resolution"),
        ({"from": "ayer"}, "from"),
        ({"from": "2026-11-02", "to": "2026-11-01"}, "to"),
        ({"from": "2026-01-01", "to": "2026-06-01", "resolution": "raw"}, "from"),
        ({"from": "2020-01-01", "resolution": "5m"}, "from"),
        ({"from": "2001-01-01", "resolution": "1d"}, "from"),
        ({"device_id": "x"}, "device_id"),
        ({"channel": "256"}, "channel"),
    ],
)
def test_a_question_that_makes_no_sense_is_422(api: APIClient, query: dict[str, str], field: str) -> None:
    answer = api.get(EXPORT, query)
    assert answer.status_code == 422
    assert [item["loc"] for item in answer.json()["detail"]] == [["query", field]]


@pytest.mark.django_db
def test_a_user_has_one_download_at_a_time(api: APIClient, stranger_api: APIClient, start: datetime) -> None:
    first = api.get(EXPORT)  # nobody has read it yet
    refused = api.get(EXPORT)
    assert (refused.status_code, refused["Retry-After"]) == (429, "10")
    assert refused.json() == {"detail": "Ya estás descargando un archivo. Espera a que termine para pedir otro."}
    assert lines(stranger_api) == []
    assert b"".join(first)
    assert api.get(EXPORT).status_code == 200


def test_a_question_that_is_refused_keeps_nobody_from_a_download(api: APIClient, start: datetime) -> None:
    assert api.get(EXPORT, {"resolution": "1w"}).status_code == 422
    assert api.get(EXPORT).status_code == 200


def test_a_page_is_one_query(api: APIClient, start: datetime, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(4 + 3):  # the caller, the home, its devices, their channels; a page for each channel
        lines(api, resolution="5m", **{"from": start.isoformat()})


ROWS = 300_000


@sync_to_async
def readings_invent(device_id: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO telemetry_series (device_id, channel) VALUES (%s, 0)", [device_id])
        cursor.execute(
            "INSERT INTO telemetry_reading (time, energy_wh, device_id, power_w, voltage_v, current_a, channel)"
            " SELECT now() - n * interval '5 s', 1e6 - n * 0.7, %s, n, 127.1, 3.25, 0 FROM generate_series(1, %s) AS n",
            [device_id, ROWS],
        )
    connection.close()  # this thread's own


@sync_to_async
def token_of(user: User) -> str:
    token = str(access_token(user))
    connection.close()  # this thread's own
    return token


def asgi_scope(token: str) -> dict[str, Any]:
    since = (datetime.now(UTC) - timedelta(days=20)).date()
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "path": EXPORT,
        "query_string": f"resolution=raw&from={since}".encode(),
        "headers": [(b"host", b"localhost"), (b"authorization", f"Bearer {token}".encode())],
    }


class Browser:
    """The other end of an ASGI connection: asks once, then only counts what comes."""

    def __init__(self) -> None:
        self.bytes = self.lines = self.messages = 0
        self._asked = False

    async def receive(self) -> dict[str, Any]:
        if self._asked:
            await asyncio.Event().wait()
        self._asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(self, message: dict[str, Any]) -> None:
        assert message.get("status", 200) == 200
        body = message.get("body", b"")
        self.bytes, self.lines, self.messages = self.bytes + len(body), self.lines + body.count(b"\n"), self.messages + 1


@pytest.mark.django_db(transaction=True)
async def test_memory_stays_flat_however_long_the_file_is(owner: User, meter: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        connections.databases["default"], "CONN_MAX_AGE", 0
    )  # the request's own thread takes its connection along
    await readings_invent(meter.pk)
    browser = Browser()
    tracemalloc.start()
    try:
        await application(asgi_scope(await token_of(owner)), browser.receive, browser.send)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert browser.lines == ROWS + 1
    assert browser.messages > ROWS / export.PAGE
    assert browser.bytes > 20_000_000
    assert peak < browser.bytes / 4
