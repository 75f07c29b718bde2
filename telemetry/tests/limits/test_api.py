"""Limits through the API."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from accounts.models import Home, Membership, User
from conftest import client_of, make_user
from devices.models import Channel, Device
from telemetry.limits.services import MOST_LIMITS
from telemetry.models import Limit
from telemetry.tests.limits.past import energy_store, power_store

pytestmark = pytest.mark.django_db
NOT_FOUND = {"detail": "Dispositivo no encontrado o no pertenece al usuario."}
POWER = {"power_w": 1500, "minutes": 10}


@pytest.fixture
def viewer(home: Home) -> User:
    return make_user("invitado@example.com", home, Membership.Role.VIEWER)


@pytest.fixture
def meter(meter: Device) -> Device:
    Channel.objects.create(device=meter, number=0, name="Cocina")
    return meter


@pytest.fixture
def limits(meter: Device) -> str:
    return f"/api/v1/devices/{meter.pk}/limits"


def created(api: APIClient, limits: str, **figures: Any) -> dict[str, Any]:
    answer = api.post(limits, figures or POWER, format="json")
    assert answer.status_code == 201, answer.content
    found: dict[str, Any] = answer.json()
    return found


def test_a_member_sets_a_limit_that_is_off_until_it_is_activated(member: User, limits: str) -> None:
    api = client_of(member)
    found = created(api, limits)
    limit_id = found["limit_id"]
    figures = {"channel": 0, "power_w": 1500.0, "minutes": 10, "kwh_a_day": None}
    assert found == figures | {"limit_id": limit_id, "is_active": False, "passed_at": None, "note": None}
    changed = api.patch(f"{limits}/{limit_id}", {"minutes": 15, "is_active": True, "kwh_a_day": None}, format="json")
    assert (changed.status_code, changed.json()) == (200, found | {"minutes": 15, "is_active": True})
    day = created(api, limits, kwh_a_day=2.5, is_active=True)
    assert (day["power_w"], day["minutes"], day["kwh_a_day"], day["is_active"]) == (None, None, 2.5, True)
    assert [one["limit_id"] for one in api.get(limits).json()] == [limit_id, day["limit_id"]]
    assert api.delete(f"{limits}/{limit_id}").status_code == 204
    assert [one["limit_id"] for one in api.get(limits).json()] == [day["limit_id"]]


def test_other_figures_make_a_limit_act_anew(api: APIClient, limits: str) -> None:
    limit_id = created(api, limits, kwh_a_day=2)["limit_id"]
    Limit.objects.update(passed_at=timezone.now())
    assert api.patch(f"{limits}/{limit_id}", {"kwh_a_day": 2, "is_active": True}, format="json").json()["passed_at"] is not None
    assert api.patch(f"{limits}/{limit_id}", {"kwh_a_day": 3}, format="json").json()["passed_at"] is None


@pytest.mark.parametrize(
    ("body", "field", "sentence"),
    [
        (
            {},
            "power_w",
            "Indica la potencia con sus minutos (power_w y minutes), o la energía al día (kwh_a_day): solo una de las dos.",
        ),
        ({"power_w": 1500}, "power_w", "solo una de las dos."),
        ({"minutes": 5}, "power_w", "solo una de las dos."),
        ({"minutes": 5, "kwh_a_day": 1}, "power_w", "solo una de las dos."),
        (POWER | {"kwh_a_day": 1}, "power_w", "solo una de las dos."),
        (POWER | {"power_w": 0}, "power_w", "La potencia va de 1 a 30000 W."),
        (POWER | {"power_w": "nan"}, "power_w", "La potencia va de 1 a 30000 W."),
        (POWER | {"minutes": 721}, "minutes", "Los minutos van de 1 a 720."),
        ({"kwh_a_day": 0}, "kwh_a_day", "La energía al día va de 0.01 a 720 kWh."),
        (POWER | {"channel": 32}, "channel", "El número de canal va de 0 a 31."),
        (POWER | {"channel": 1}, "channel", "El dispositivo no tiene ese canal."),
        (POWER | {"is_active": "quizá"}, "is_active", "Debe ser verdadero o falso (true o false)."),
        (POWER | {"hours": 1}, "hours", "El campo «hours» no existe."),
    ],
)
def test_what_is_no_limit_is_refused(api: APIClient, limits: str, body: dict[str, Any], field: str, sentence: str) -> None:
    answer = api.post(limits, body, format="json")
    assert answer.status_code == 422, answer.content
    [wrong] = answer.json()["detail"]
    assert wrong["loc"] == ["body", field]
    assert wrong["msg"].endswith(sentence)
    assert not Limit.objects.exists()


def test_a_limit_keeps_its_kind(api: APIClient, limits: str) -> None:
    limit_id = created(api, limits)["limit_id"]
    assert api.patch(f"{limits}/{limit_id}", {"kwh_a_day": 2}, format="json").status_code == 422
    assert api.patch(f"{limits}/{limit_id}", {"channel": 1}, format="json").status_code == 422


def test_an_essential_circuit_gets_no_limit_and_one_that_becomes_essential_makes_its_limits_idle(
    api: APIClient, meter: Device, limits: str
) -> None:
    limit = created(api, limits, kwh_a_day=2, is_active=True)
    Channel.objects.update(is_essential=True)
    sentence = "El circuito está marcado como esencial: ningún límite lo apaga."
    for method, path in ((api.post, limits), (api.post, f"{limits}/dry-run")):
        answer = method(path, POWER, format="json")
        assert answer.status_code == 422
        [wrong] = answer.json()["detail"]
        assert (wrong["loc"], wrong["msg"]) == (["body", "channel"], sentence)
    assert api.get(limits).json() == [limit | {"note": sentence}]
    path = f"{limits}/{limit['limit_id']}"
    assert api.patch(path, {"is_active": False}, format="json").json()["note"] is None
    assert api.patch(path, {"is_active": True}, format="json").status_code == 422
    Channel.objects.update(is_essential=False)
    api.patch(path, {"is_active": True}, format="json")
    Device.objects.update(is_active=False)
    assert api.get(limits).json()[0]["note"] == "El dispositivo está desactivado: el límite no hace nada."


def test_a_model_that_only_measures_gets_no_limit(api: APIClient, meter: Device, limits: str) -> None:
    Device.objects.update(model="shellypro3em")
    answer = api.post(limits, POWER, format="json")
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["msg"] == "Este dispositivo solo mide: no puede apagar el circuito."


def test_a_channel_that_was_measured_is_there_without_a_name(api: APIClient, meter: Device, limits: str) -> None:
    Channel.objects.all().delete()
    assert api.post(limits, POWER, format="json").status_code == 422
    power_store(meter, timezone.now(), 100.0)
    created(api, limits)


def test_a_device_has_so_many_limits_and_no_more(api: APIClient, meter: Device, limits: str) -> None:
    Limit.objects.bulk_create(Limit(device=meter, channel=0, kwh_a_day=1) for _ in range(MOST_LIMITS))
    answer = api.post(limits, POWER, format="json")
    assert (answer.status_code, answer.json()["detail"]) == (409, "El dispositivo ya tiene demasiados límites. Borra alguno.")


def test_a_viewer_looks_and_changes_nothing(viewer: User, api: APIClient, limits: str) -> None:
    limit = created(api, limits)
    phone, path = client_of(viewer), f"{limits}/{limit['limit_id']}"
    assert phone.get(limits).json() == [limit]
    assert [phone.post(f"{limits}/dry-run", POWER, format="json").status_code, phone.post(f"{path}/dry-run").status_code] == [
        200,
        200,
    ]
    refused = [phone.post(limits, POWER, format="json"), phone.patch(path, {"minutes": 1}, format="json"), phone.delete(path)]
    assert [answer.status_code for answer in refused] == [403] * 3
    assert api.get(limits).json() == [limit]


def test_a_stranger_and_nobody_see_no_limit(
    stranger_api: APIClient, anonymous_api: APIClient, api: APIClient, limits: str
) -> None:
    path = f"{limits}/{created(api, limits)['limit_id']}"
    for phone, status in ((stranger_api, 404), (anonymous_api, 401)):
        answers = [
            *(
                phone.get(limits),
                phone.post(limits, POWER, format="json"),
                phone.patch(path, {"minutes": 1}, format="json"),
                phone.delete(path),
            ),
            *(phone.post(f"{limits}/dry-run", POWER, format="json"), phone.post(f"{path}/dry-run")),
        ]
        assert [answer.status_code for answer in answers] == [status] * 6
        assert status == 401 or all(answer.json() == NOT_FOUND for answer in answers)


def test_a_limit_of_another_device_is_not_there(api: APIClient, home: Home, limits: str) -> None:
    other = Device.objects.create(home=home, hardware_id="b8032412c3d4", name="Sala")
    limit = Limit.objects.create(device=other, channel=0, kwh_a_day=1)
    for limit_id in (limit.pk, "x"):
        path = f"{limits}/{limit_id}"
        answers = [api.patch(path, {"kwh_a_day": 2}, format="json"), api.delete(path), api.post(f"{path}/dry-run")]
        assert [(answer.status_code, answer.json()["detail"]) for answer in answers] == [(404, "Ese límite no existe.")] * 3


def test_a_dry_run_says_what_would_have_happened(
    api: APIClient, meter: Device, limits: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    end = (timezone.now() - timedelta(days=3)).replace(microsecond=0)
    power_store(meter, end, *[2000.0] * 61)
    energy_store(meter, end, 250.0)
    with django_assert_num_queries(7):
        asked = api.post(f"{limits}/dry-run", {"power_w": 1500, "minutes": 5}, format="json")
    assert asked.status_code == 200
    found = asked.json()
    [once] = found["switch_offs"]
    assert (once["mean_power_w"], once["kwh"]) == (2000.0, None)
    assert once["until"][:16] == end.astimezone(ZoneInfo(meter.home.time_zone)).isoformat()[:16]
    assert 0 < found["known_share"] < 0.01
    assert len(found["days"]) == 7
    limit_id = created(api, limits, kwh_a_day=0.25)["limit_id"]
    stored = api.post(f"{limits}/{limit_id}/dry-run").json()
    [once] = stored["switch_offs"]
    assert (once["kwh"], once["since"], once["until"], once["mean_power_w"]) == (0.25, None, None, None)
    assert [day["kwh"] for day in stored["days"]].count(None) == 6
    assert api.get(limits).json()[0]["passed_at"] is None
