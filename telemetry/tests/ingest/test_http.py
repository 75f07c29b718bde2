"""The HTTP way in, through the ASGI application and the real database."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson
import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.db import connection, connections
from pytest_django.fixtures import Settings

from accounts.models import Home, User
from devices.models import Device
from devices.services import device_register, device_retire, device_toggle
from telemetry.ingest import writer as writing
from telemetry.ingest.http import shelly_endpoint
from telemetry.ingest.writer_connection import APPLICATION_NAME, database_conninfo
from telemetry.models import LateSpan, Reading
from telemetry.shelly.samples import Sample
from telemetry.tests.posts import MAC, PATH, body
from telemetry.tests.shelly.status_payloads import EXPECTED, status_of

pytestmark = pytest.mark.django_db(transaction=True)
RETURNED = {"aenergy": {"total": 100.0}, "ret_aenergy": {"total": 40.0}}


@sync_to_async
def readings() -> list[Reading]:
    return list(Reading.objects.order_by("time", "device_id", "channel"))


async def test_a_counter_without_the_returned_energy_in_it_is_left_out(
    shelly: httpx.AsyncClient, meter: Device, home: Home
) -> None:
    other = await Device.objects.acreate(home=home, hardware_id="b8032412c3d4", name="Sala")
    start = int(datetime.now(UTC).timestamp()) - 10
    counters = [(0, 100.0, 40.0), (1, 101.0, None), (2, 102.0, 40.0)]
    for mac, without in ((MAC, None), (other.hardware_id, 0.0)):
        for second, total, returned in counters:
            message = body(mac=mac, unixtime=start + second)
            message["switch:0"] |= {"aenergy": {"total": total}}
            if returned is not None:
                message["switch:0"] |= {"ret_aenergy": {"total": returned if without is None else without}}
            assert (await shelly.post(PATH, json=message)).status_code == 200
    stored = await readings()
    assert [one.energy_wh for one in stored if one.device_id == meter.pk] == [60.0, None, 62.0]
    assert [one.energy_wh for one in stored if one.device_id == other.pk] == [100.0, 101.0, 102.0]


async def test_a_fresh_process_knows_of_the_returned_energy_that_another_stored(shelly: httpx.AsyncClient, meter: Device) -> None:
    start = int(datetime.now(UTC).timestamp()) - 10
    for second, counters in enumerate((RETURNED, {"aenergy": {"total": 101.0}}, {"aenergy": {"total": 102.0}}, RETURNED)):
        message = body(unixtime=start + second)
        message["switch:0"] |= counters
        assert (await shelly.post(PATH, json=message)).status_code == 200
        await writing.writer().close()
    assert [one.energy_wh for one in await readings()] == [60.0, None, None, 60.0]


async def test_a_reading_is_stored_before_the_answer(shelly: httpx.AsyncClient, meter: Device) -> None:
    answer = await shelly.post(PATH, json=body(123.5))
    assert (answer.status_code, answer.json()) == (200, {"status": "received"})
    (reading,) = await readings()
    assert (reading.device_id, reading.channel, reading.power_w) == (meter.pk, 0, 123.5)
    assert reading.voltage_v == pytest.approx(127.1, abs=1e-4)
    assert datetime.now(UTC) - reading.time < timedelta(seconds=30)


@pytest.mark.parametrize("name", EXPECTED)
async def test_every_real_payload_goes_through(shelly: httpx.AsyncClient, home: Home, name: str) -> None:
    status = status_of(name)
    device = await sync_to_async(Device.objects.create)(home=home, hardware_id=status["sys"]["mac"].lower(), name="Tablero")
    answer = await shelly.post(PATH + "/", json=status)
    assert answer.status_code == 200
    stored = [(r.device_id, r.channel, round(r.power_w, 3), r.energy_wh) for r in await readings()]
    assert stored == [(device.pk, *expected) for expected in EXPECTED[name]]


async def test_an_unknown_device_is_known_as_soon_as_it_is_registered(shelly: httpx.AsyncClient, home: Home) -> None:
    answer = await shelly.post(PATH, json=body())
    assert (answer.status_code, answer.json()) == (404, {"detail": "El dispositivo no está registrado."})
    await sync_to_async(Device.objects.create)(home=home, hardware_id=MAC.lower(), name="Sala")
    assert (await shelly.post(PATH, json=body())).status_code == 200


async def test_a_deactivated_device_is_refused_at_once_and_keeps_its_history(shelly: httpx.AsyncClient, meter: Device) -> None:
    for expected in (200, 409, 200):
        await asyncio.sleep(0.1)  # the message of a change is under way for a moment
        answer = await shelly.post(PATH, json=body())
        assert answer.status_code == expected
        await sync_to_async(device_toggle)(device=meter)
    assert len(await readings()) == 2


async def test_a_device_that_moves_to_another_home_is_known_there_at_once(
    shelly: httpx.AsyncClient, meter: Device, stranger: User
) -> None:
    await shelly.post(PATH, json=body())
    await sync_to_async(device_retire)(device=meter)
    await asyncio.sleep(0.1)
    assert (await shelly.post(PATH, json=body())).status_code == 404
    home = await sync_to_async(lambda: stranger.home)()
    again = await sync_to_async(device_register)(home=home, hardware_id=MAC, name="Sala")
    assert (await shelly.post(PATH, json=body())).status_code == 200
    assert [reading.device_id for reading in await readings()][1:] == [again.pk]


async def test_a_device_that_its_home_claims_again_goes_on_where_it_was(
    shelly: httpx.AsyncClient, meter: Device, home: Home
) -> None:
    await shelly.post(PATH, json=body())
    await sync_to_async(device_retire)(device=meter)
    await sync_to_async(device_register)(home=home, hardware_id=MAC, name="Sala")
    await asyncio.sleep(0.1)
    assert (await shelly.post(PATH, json=body())).status_code == 200
    assert {reading.device_id for reading in await readings()} == {meter.pk}


async def test_a_batch_with_a_reading_that_is_there_already_stores_the_others(shelly: httpx.AsyncClient, meter: Device) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    for seconds in ([9], [9, 8], [9, 8, 7]):
        samples = [Sample(0, now - timedelta(seconds=age), 5.0, None, None, float(age), None) for age in seconds]
        outcomes = await writing.writer().store({MAC.lower(): samples})
        assert {mac: (one.is_stored, one.is_partial) for mac, one in outcomes.items()} == {MAC.lower(): (True, False)}
    assert [r.energy_wh for r in await readings()] == [9.0, 8.0, 7.0]


async def test_late_readings_are_noted_for_the_roll_up(shelly: httpx.AsyncClient, meter: Device) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    await shelly.post(PATH, json=body())
    for age in (5, 3600):
        await shelly.post(PATH, json=body(unixtime=int(now.timestamp()) - age))
    assert await late_times() == [now - timedelta(hours=1)]


@sync_to_async
def late_times() -> list[datetime]:
    return list(LateSpan.objects.values_list("from_time", flat=True))


async def test_the_same_reading_twice_is_stored_once(shelly: httpx.AsyncClient, meter: Device) -> None:
    moment = int(datetime.now(UTC).timestamp()) - 5
    for _ in range(2):
        assert (await shelly.post(PATH, json=body(unixtime=moment))).status_code == 200
    assert [r.time.timestamp() for r in await readings()] == [moment]


@pytest.mark.parametrize(("offset", "trusted"), [(-6 * 86400, True), (50, True), (-8 * 86400, False), (90, False)])
async def test_device_time_is_believed_within_limits(
    shelly: httpx.AsyncClient, meter: Device, offset: int, trusted: bool
) -> None:
    moment = int(datetime.now(UTC).timestamp()) + offset
    await shelly.post(PATH, json=body(unixtime=moment))
    (reading,) = await readings()
    assert (reading.time.timestamp() == moment) is trusted


async def test_an_impossible_value_is_422_in_the_apis_form_and_stores_nothing(shelly: httpx.AsyncClient, meter: Device) -> None:
    answer = await shelly.post(PATH, json=body(1e9))
    assert answer.status_code == 422
    (item,) = answer.json()["detail"]
    assert item["loc"] == ["body", "switch:0", "apower"]
    assert item["msg"] == "El valor está fuera de lo posible."
    assert await readings() == []


@pytest.mark.parametrize(
    "content", [b"", b"{", b"NaN", b'{"sys": {"mac": "A8032412C3D4"}, "switch:0": {"apower": NaN}}', b"\xff"]
)
async def test_an_unreadable_body_is_422(shelly: httpx.AsyncClient, meter: Device, content: bytes) -> None:
    answer = await shelly.post(PATH, content=content)
    assert answer.status_code == 422
    assert "JSON" in answer.json()["detail"][0]["msg"]
    assert await readings() == []


async def test_a_body_over_16_kib_is_413_whether_announced_or_not(shelly: httpx.AsyncClient, meter: Device) -> None:
    async def unannounced() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 1024

    for content in (b" " * 16385, unannounced()):
        answer = await shelly.post(PATH, content=content)
        assert (answer.status_code, answer.json()) == (413, {"detail": "El mensaje es demasiado grande."})
    assert (await shelly.post(PATH, content=orjson.dumps(body()).ljust(16384))).status_code == 200


async def test_another_method_is_405_in_the_apis_form(shelly: httpx.AsyncClient) -> None:
    answer = await shelly.get(PATH)
    assert (answer.status_code, answer.json(), answer.headers["allow"]) == (405, {"detail": "Método no permitido."}, "POST")


async def test_concurrent_senders_share_commits(shelly: httpx.AsyncClient, meter: Device) -> None:
    now = int(datetime.now(UTC).timestamp())
    sent = [body(power=second, unixtime=now - second) for second in range(200)]
    sent[50] = body(mac="000000000000")
    answers = await asyncio.gather(*(shelly.post(PATH, json=one) for one in sent))
    assert [answer.status_code for answer in answers].count(200) == 199
    assert answers[50].status_code == 404
    stored = await readings()
    assert len(stored) == 199
    assert len(await commits()) < 100


@sync_to_async
def commits() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT xmin::text FROM telemetry_reading")
        return {row[0] for row in cursor.fetchall()}


async def test_the_writer_goes_on_after_its_connection_was_cut(shelly: httpx.AsyncClient, meter: Device) -> None:
    await shelly.post(PATH, json=body())
    admin = await psycopg.AsyncConnection.connect(database_conninfo(), autocommit=True)
    async with admin:
        cut = await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE (datname, application_name) = (current_database(), %s)"
            " AND pid <> pg_backend_pid()",
            [APPLICATION_NAME],
        )
        assert cut.rowcount == 1
    assert (await shelly.post(PATH, json=body())).status_code == 200
    assert len(await readings()) == 2


async def test_a_database_that_is_away_is_503_and_the_way_in_recovers(
    shelly: httpx.AsyncClient, meter: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = writing.writer().table.connection
    there = database.conninfo
    database.conninfo = psycopg.conninfo.make_conninfo(there, host="127.0.0.1", port=1)
    answer = await shelly.post(PATH, json=body())
    assert answer.status_code == 503
    assert "base de datos" in answer.json()["detail"]
    assert answer.headers["retry-after"] == "5"
    database.conninfo = there
    assert (await shelly.post(PATH, json=body())).status_code == 200


async def test_a_database_that_stalls_is_503_and_the_way_in_recovers(
    shelly: httpx.AsyncClient, meter: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telemetry.ingest.writer_connection.ATTEMPT_TIMEOUT_S", 0.5)
    await shelly.post(PATH, json=body(1))
    database = writing.writer().table.connection
    there = database.conninfo
    with stalled(database.backend_pid):
        database.conninfo = psycopg.conninfo.make_conninfo(there, host="127.0.0.1", port=1)
        async with asyncio.timeout(60):
            answers = await asyncio.gather(*(shelly.post(PATH, json=body(2)) for _ in range(3)))
        assert {answer.status_code for answer in answers} == {503}
        database.conninfo = there
    monkeypatch.undo()
    assert (await shelly.post(PATH, json=body(3))).status_code == 200
    assert [r.power_w for r in await readings() if r.power_w != 2] == [1, 3]


@contextlib.contextmanager
def stalled(backend: int | None) -> Iterator[None]:
    """Stop a server process of ours for a while: it keeps its connection and answers nothing."""
    assert backend is not None, "the writer is not connected"
    try:
        os.kill(backend, signal.SIGSTOP)
    except (ProcessLookupError, PermissionError):
        pytest.skip("the database runs elsewhere")
    try:
        yield
    finally:
        os.kill(backend, signal.SIGCONT)


async def test_a_stalled_connection_is_replaced_and_the_sender_knows_nothing_of_it(
    shelly: httpx.AsyncClient, meter: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shelly.post(PATH, json=body(1))
    monkeypatch.setattr("telemetry.ingest.writer_connection.ATTEMPT_TIMEOUT_S", 2)
    with stalled(writing.writer().table.connection.backend_pid):
        assert (await shelly.post(PATH, json=body(2))).status_code == 200
    assert [r.power_w for r in await readings()] == [1, 2]


async def test_closing_the_writer_answers_everybody_and_makes_room_for_another(shelly: httpx.AsyncClient, meter: Device) -> None:
    closed = writing.writer()
    sample = Sample(0, datetime.now(UTC), 1.0, None, None, None, None)
    waiting = [asyncio.create_task(closed.store({MAC.lower(): [sample]})) for _ in range(3)]
    for _ in range(2):
        await asyncio.sleep(0)
    waiting.append(asyncio.create_task(closed.store({MAC.lower(): [sample]})))
    await asyncio.sleep(0)
    await closed.close()
    answers = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 60)
    assert [type(answer) for answer in answers] == [writing.DatabaseAway] * 4
    with pytest.raises(writing.DatabaseAway):
        await asyncio.wait_for(closed.store({MAC.lower(): [sample]}), 60)
    assert (await shelly.post(PATH, json=body())).status_code == 200


async def test_a_reading_that_the_database_refuses_is_422_and_the_others_are_stored(
    shelly: httpx.AsyncClient, meter: Device, settings: Settings
) -> None:
    settings.TELEMETRY_MAX_POWER_W = 1e300
    hour_ago = int(datetime.now(UTC).timestamp()) - 3600
    sent = [
        {"em1:0": {"act_power": power}, "sys": {"mac": MAC, "unixtime": hour_ago - age}}
        for age, power in enumerate((1, 1e200, 3))
    ]
    answers = await asyncio.gather(*(shelly.post(PATH, json=one) for one in sent))
    assert [answer.status_code for answer in answers] == [200, 422, 200]
    assert answers[1].json()["detail"][0]["msg"] == "El valor está fuera de lo posible."
    assert {r.power_w for r in await readings()} == {1, 3}


@pytest.mark.parametrize("seconds", [-200, 200])
async def test_readings_are_noted_as_late_by_the_databases_clock(
    shelly: httpx.AsyncClient, meter: Device, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    class Wrong(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + timedelta(seconds=seconds)

    for module in ("copy", "http"):
        monkeypatch.setattr(f"telemetry.ingest.{module}.datetime", Wrong)
    for _ in range(3):
        assert (await shelly.post(PATH, json=body())).status_code == 200
    assert len(await late_times()) == (3 if seconds < 0 else 0)


async def test_half_a_body_is_not_stored(shelly: httpx.AsyncClient, meter: Device) -> None:
    news = iter([{"type": "http.request", "body": orjson.dumps(body()), "more_body": True}, {"type": "http.disconnect"}])
    sent: list[Any] = []

    async def receive() -> Any:
        return next(news)

    async def send(message: Any) -> None:
        sent.append(message)

    await shelly_endpoint({"type": "http", "method": "POST", "headers": []}, receive, send)
    assert sent == []
    assert await readings() == []


def test_the_writer_connects_to_what_django_connects_to(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {
        "host": "/sockets",
        "port": "5433",
        "options": "-c search_path=x",
        "pool": {},
        "isolation_level": 1,
        "keepalives_idle": 60,
        "sslmode": "disable",
    }
    target = connection.settings_dict | {"NAME": "db", "USER": "u", "PASSWORD": "", "HOST": "", "PORT": "", "OPTIONS": options}
    monkeypatch.setattr(connections["default"], "settings_dict", target)
    parts = psycopg.conninfo.conninfo_to_dict(database_conninfo())
    assert (parts["host"], parts["port"], parts["dbname"], parts["user"]) == ("/sockets", "5433", "db", "u")
    assert (parts["sslmode"], parts["keepalives_idle"]) == ("disable", "60")
    assert "statement_timeout" in str(parts["options"])
    assert str(parts["options"]).endswith("-c search_path=x")
    assert int(str(parts["tcp_user_timeout"])) > 0


async def test_past_the_queue_limit_senders_are_asked_to_come_again(
    shelly: httpx.AsyncClient, meter: Device, settings: Settings
) -> None:
    settings.TELEMETRY_QUEUE_LIMIT = 3
    answers = await asyncio.gather(*(shelly.post(PATH, json=body()) for _ in range(10)))
    codes = [answer.status_code for answer in answers]
    assert codes.count(503) == 7
    assert len(await readings()) == 3
    assert (await shelly.post(PATH, json=body())).status_code == 200
