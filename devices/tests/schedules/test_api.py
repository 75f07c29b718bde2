"""Schedules as phones and staff see and change them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import Home, Membership, User
from conftest import client_of, make_user
from devices.models import Channel, Device, Schedule
from devices.models.schedules import MOST_PER_DEVICE
from devices.services import device_retire, device_toggle
from devices.tests.schedules.conftest import Make

NOT_FOUND = {"detail": "Dispositivo no encontrado o no pertenece al usuario."}
ESSENTIAL = "Este circuito es esencial: ningún horario lo apaga."
NEEDS_TIME = "Un horario de encender o apagar lleva la hora y los días de la semana."
NEEDS_MINUTES = "Un horario de apagar después de un rato lleva los minutos, sin hora ni días."


@pytest.fixture
def url(meter: Device) -> str:
    return f"/api/v1/devices/{meter.pk}/schedules"


def errors(answer: Any) -> list[tuple[list[Any], str]]:
    assert answer.status_code == 422, answer.content
    return [(item["loc"], item["msg"]) for item in answer.json()["detail"]]


def test_a_schedule_is_answered_with_the_next_three_times_in_the_homes_zone(api: APIClient, home: Home, url: str) -> None:
    home.time_zone = "America/Tijuana"
    home.save()
    body = {"action": "off", "time": "22:30", "weekdays": [5, 1]}
    made = api.post(url, body, format="json").json()
    times = [datetime.fromisoformat(each) for each in made["next_times"]]
    days = [each.isoweekday() for each in times]
    assert days in ([1, 5, 1], [5, 1, 5])
    assert {f"{each:%H:%M}" for each in times} == {"22:30"}
    assert all(each.utcoffset() in {timedelta(hours=-8), timedelta(hours=-7)} for each in times)
    assert times[0] > timezone.now()
    assert Schedule.objects.get().next_at == times[0]
    assert made | {"schedule_id": 0, "next_times": []} == {
        "schedule_id": 0,
        "channel": 0,
        "action": "off",
        "time": "22:30",
        "weekdays": [1, 5],
        "after_minutes": None,
        "is_paused": False,
        "next_times": [],
        "last": None,
    }
    assert api.get(url).json() == [made]


def test_without_weekdays_it_is_every_days(make: Make) -> None:
    assert make().weekdays == [1, 2, 3, 4, 5, 6, 7]


def test_null_says_nothing(api: APIClient, make: Make, url: str) -> None:
    schedule = make(weekdays=None, after_minutes=None)
    assert schedule.weekdays == [1, 2, 3, 4, 5, 6, 7]
    before = api.get(url).json()
    body = {"time": None, "weekdays": None, "after_minutes": None}
    assert [api.patch(f"{url}/{schedule.pk}", body, format="json").json()] == before


def test_a_schedule_is_changed_paused_resumed_and_deleted(api: APIClient, make: Make, url: str) -> None:
    one = f"{url}/{make().pk}"
    changed = api.patch(one, {"time": "06:15", "action": "on", "channel": 1}, format="json").json()
    assert (changed["time"], changed["action"], changed["channel"], len(changed["weekdays"])) == ("06:15", "on", 1, 7)
    assert all("T06:15" in each for each in changed["next_times"])
    paused = api.patch(one, {"is_paused": True}, format="json").json()
    assert (paused["is_paused"], paused["next_times"], Schedule.objects.get().next_at) == (True, [], None)
    assert api.patch(one, {"is_paused": False}, format="json").json()["next_times"] == changed["next_times"]
    assert api.delete(one).status_code == 204
    assert api.get(url).json() == []
    assert (api.delete(one).status_code, api.delete(one).json()) == (404, {"detail": "Ese horario no existe."})


def test_a_schedule_changes_between_a_time_and_minutes(api: APIClient, make: Make, url: str) -> None:
    one = f"{url}/{make().pk}"
    changed = api.patch(one, {"action": "off_after", "after_minutes": 30}, format="json").json()
    assert (changed["time"], changed["weekdays"], changed["after_minutes"], changed["next_times"]) == (None, [], 30, [])
    changed = api.patch(one, {"action": "on", "time": "07:00"}, format="json").json()
    assert (changed["time"], len(changed["weekdays"]), changed["after_minutes"]) == ("07:00", 7, None)
    assert errors(api.patch(one, {"action": "off_after"}, format="json")) == [(["body", "after_minutes"], NEEDS_MINUTES)]
    assert api.get(url).json() == [changed]


@pytest.mark.parametrize(
    ("body", "place", "sentence"),
    [
        ({}, ["action"], "La acción es on, off u off_after."),
        ({"action": "toggle"}, ["action"], "La acción es on, off u off_after."),
        ({"action": "on"}, ["time"], NEEDS_TIME),
        ({"action": "on", "time": "22:30", "weekdays": []}, ["time"], NEEDS_TIME),
        ({"action": "on", "time": "22:30", "after_minutes": 5}, ["time"], NEEDS_TIME),
        ({"action": "off_after"}, ["after_minutes"], NEEDS_MINUTES),
        ({"action": "off_after", "after_minutes": 5, "time": "22:30"}, ["after_minutes"], NEEDS_MINUTES),
        ({"action": "off_after", "after_minutes": 5, "weekdays": [1]}, ["after_minutes"], NEEDS_MINUTES),
        ({"action": "off_after", "after_minutes": 0}, ["after_minutes"], "Los minutos van de 1 a 1440."),
        ({"action": "off_after", "after_minutes": 1441}, ["after_minutes"], "Los minutos van de 1 a 1440."),
        ({"action": "on", "time": "24:00"}, ["time"], "La hora se escribe HH:MM, de 00:00 a 23:59."),
        ({"action": "on", "time": 7}, ["time"], "La hora se escribe HH:MM, de 00:00 a 23:59."),
        (
            {"action": "on", "time": "22:30", "weekdays": [1, 8]},
            ["weekdays", 1],
            "Los días de la semana van de 1 (lunes) a 7 (domingo), sin repetirse.",
        ),
        (
            {"action": "on", "time": "22:30", "weekdays": [1, 1]},
            ["weekdays"],
            "Los días de la semana van de 1 (lunes) a 7 (domingo), sin repetirse.",
        ),
        (
            {"action": "on", "time": "22:30", "weekdays": "lunes"},
            ["weekdays"],
            "Los días de la semana van de 1 (lunes) a 7 (domingo), sin repetirse.",
        ),
        ({"action": "on", "time": "22:30", "channel": 32}, ["channel"], "El número de canal va de 0 a 31."),
        ({"action": "on", "time": "22:30", "hora": 1}, ["hora"], "El campo «hora» no existe."),
    ],
)
def test_what_is_wrong_with_a_schedule_is_named(
    api: APIClient, url: str, body: dict[str, Any], place: list[Any], sentence: str
) -> None:
    assert (["body", *place], sentence) in errors(api.post(url, body, format="json"))
    assert not Schedule.objects.exists()


@pytest.mark.parametrize("body", [{"action": "off", "time": "22:30"}, {"action": "off_after", "after_minutes": 5}])
def test_nothing_is_to_switch_an_essential_circuit_off(api: APIClient, meter: Device, url: str, body: dict[str, Any]) -> None:
    Channel.objects.create(device=meter, number=0, name="Refrigerador", kind="refrigerator", is_essential=True)
    assert errors(api.post(url, body, format="json")) == [(["body", "action"], ESSENTIAL)]
    assert api.post(url, body | {"channel": 1}, format="json").status_code == 201
    on = api.post(url, {"action": "on", "time": "06:00"}, format="json").json()
    assert errors(api.patch(f"{url}/{on['schedule_id']}", {"action": "off"}, format="json")) == [(["body", "action"], ESSENTIAL)]


def test_a_circuit_that_becomes_essential_stops_what_would_switch_it_off(
    api: APIClient, meter: Device, make: Make, url: str
) -> None:
    off, after, on, other = make(), make(action="off_after", after_minutes=5), make(action="on"), make(channel=1)
    api.patch(f"/api/v1/devices/{meter.pk}", {"channels": [{"number": 0, "kind": "medical"}]}, format="json")
    found = {each["schedule_id"]: each for each in api.get(url).json()}
    assert {pk: each["is_paused"] for pk, each in found.items()} == {off.pk: True, after.pk: True, on.pk: False, other.pk: False}
    assert (found[off.pk]["last"]["outcome"], found[off.pk]["next_times"]) == ("essential", [])
    assert found[off.pk]["last"]["message"] == "Se detuvo: el circuito es esencial."
    events = meter.events.filter(kind="schedule_skipped").values_list("channel", "details__reason")
    assert set(events) == {(0, "essential")}
    assert errors(api.patch(f"{url}/{off.pk}", {"is_paused": False}, format="json")) == [(["body", "action"], ESSENTIAL)]
    api.patch(f"/api/v1/devices/{meter.pk}", {"channels": [{"number": 0, "is_essential": False}]}, format="json")
    assert len(api.patch(f"{url}/{off.pk}", {"is_paused": False}, format="json").json()["next_times"]) == 3


def test_staff_who_make_a_circuit_essential_stop_it_too(admin_client: Client, meter: Device, make: Make) -> None:
    schedule = make()
    channel = Channel.objects.create(device=meter, number=0, name="Cocina")
    forms = {f"{of}-{field}": "0" for of in ("channels", "role_changes") for field in ("TOTAL_FORMS", "INITIAL_FORMS")}
    fields = {"name": "Cocina", "mqtt_prefix": "shellyplus1pm", "model": "shellyplus1pm", "brand": "Shelly", "is_active": "on"}
    row = {"id": str(channel.pk), "device": str(meter.pk), "number": "0", "name": "Cocina", "kind": "medical"}
    sent = forms | fields | {"channels-TOTAL_FORMS": "1", "channels-INITIAL_FORMS": "1"}
    sent |= {f"channels-0-{name}": value for name, value in row.items()}
    assert admin_client.post(f"/admin/devices/device/{meter.pk}/change/", sent).status_code == 302
    schedule.refresh_from_db()
    assert (schedule.is_paused, schedule.last_skip) == (True, "essential")


def test_a_device_has_so_many_schedules_and_no_more(api: APIClient, meter: Device, make: Make, url: str) -> None:
    first = make()
    Schedule.objects.bulk_create(
        Schedule(device=meter, action="on", time=first.time, weekdays=[1]) for _ in range(MOST_PER_DEVICE - 1)
    )
    sentence = "Este dispositivo ya tiene todos los horarios que caben (50). Elimina uno para agregar otro."
    assert errors(api.post(url, {"action": "on", "time": "06:00"}, format="json")) == [(["body", "action"], sentence)]
    assert api.patch(f"{url}/{first.pk}", {"time": "06:00"}, format="json").status_code == 200


def test_a_deactivated_device_acts_at_no_time(api: APIClient, meter: Device, make: Make, url: str) -> None:
    make()
    device_toggle(device=meter)
    assert [each["next_times"] for each in api.get(url).json()] == [[]]


def test_the_clock_of_a_home_that_moves_is_followed(home: Home, make: Make) -> None:
    schedule, paused = make(), make(is_paused=True)
    before = schedule.next_at
    assert before is not None
    home.time_zone = "America/Cancun"  # an hour ahead, all year round
    home.save()
    schedule.refresh_from_db()
    paused.refresh_from_db()
    hour = timedelta(hours=1)
    assert schedule.next_at in {before - hour, before + 23 * hour}
    assert schedule.next_at.astimezone(UTC).hour == 3
    assert paused.next_at is None


def test_what_is_due_when_the_clock_moves_stays_due(home: Home, make: Make) -> None:
    due_at = timezone.now() - timedelta(seconds=3)
    schedule = make()
    Schedule.objects.update(next_at=due_at)
    home.time_zone = "America/Cancun"
    home.save(update_fields=["time_zone"])
    schedule.refresh_from_db()
    assert schedule.next_at == due_at


@pytest.mark.parametrize(("method", "path"), [("get", ""), ("post", ""), ("patch", "/{}"), ("delete", "/{}")])
def test_schedules_are_closed_to_strangers_and_to_nobody_else_s_eyes(
    stranger_api: APIClient, anonymous_api: APIClient, make: Make, url: str, method: str, path: str
) -> None:
    path = url + path.format(make().pk)
    answer = getattr(stranger_api, method)(path, {"is_paused": True}, format="json")
    assert (answer.status_code, answer.json()) == (404, NOT_FOUND)
    assert getattr(anonymous_api, method)(path).status_code == 401
    assert not Schedule.objects.get().is_paused


def test_a_viewer_looks_and_a_member_changes(home: Home, member: User, make: Make, url: str) -> None:
    viewer = client_of(make_user("invitado@example.com", home, Membership.Role.VIEWER))
    one = f"{url}/{make().pk}"
    assert len(viewer.get(url).json()) == 1
    body = {"action": "on", "time": "06:00"}
    refused = [viewer.post(url, body, format="json"), viewer.patch(one, body, format="json"), viewer.delete(one)]
    assert [answer.status_code for answer in refused] == [403, 403, 403]
    assert client_of(member).patch(one, {"time": "06:00"}, format="json").status_code == 200


def test_another_devices_schedule_is_not_there(api: APIClient, home: Home, make: Make) -> None:
    other = Device.objects.create(home=home, hardware_id="a80324120000", name="Sala")
    answer = api.patch(f"/api/v1/devices/{other.pk}/schedules/{make().pk}", {"is_paused": True}, format="json")
    assert (answer.status_code, answer.json()) == (404, {"detail": "Ese horario no existe."})


def test_a_device_that_its_home_deleted_shows_none(api: APIClient, meter: Device, make: Make, url: str) -> None:
    make()
    device_retire(device=meter)
    assert api.get(url).status_code == 404


def test_listing_costs_as_many_queries_for_one_as_for_many(
    api: APIClient, make: Make, url: str, django_assert_num_queries: Any
) -> None:
    for _ in range(3):
        make()
    with django_assert_num_queries(4):  # the caller, the device, its channels, its schedules
        assert len(api.get(url).json()) == 3


def test_staff_see_and_make_schedules(admin_client: Client, meter: Device, make: Make) -> None:
    make(weekdays=[1, 3])
    make(action="off_after", after_minutes=45)
    page = admin_client.get("/admin/devices/schedule/").content.decode()
    assert all(words in page for words in ("Apagar 22:30 lunes, miércoles", "Apagar después de 45 min encendido", " 22:30, "))
    add = "/admin/devices/schedule/add/"
    body = {"device": str(meter.pk), "channel": "0", "action": "off", "time": "06:00", "weekdays": ["6", "7"]}
    assert NEEDS_TIME in admin_client.post(add, body | {"weekdays": []}).content.decode()
    assert admin_client.post(add, body).status_code == 302
    made = Schedule.objects.order_by("pk").last()
    assert made is not None
    assert (made.weekdays, made.next_at is not None) == ([6, 7], True)
    change = f"/admin/devices/schedule/{made.pk}/change/"
    assert "sábado" in admin_client.get(change).content.decode()
    assert admin_client.post(change, body | {"is_paused": "on"}).status_code == 302
    made.refresh_from_db()
    assert made.next_at is None
    chosen = {"action": "delete_selected", "_selected_action": [str(made.pk)], "post": "yes"}
    assert admin_client.post("/admin/devices/schedule/", chosen).status_code == 302
    assert not Schedule.objects.filter(pk=made.pk).exists()
