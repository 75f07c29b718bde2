from typing import Any

import pytest
from django.core.exceptions import ValidationError
from rest_framework.test import APIClient

from accounts.models import Home, Membership, User
from conftest import client_of, make_user
from devices.models import Device
from devices.services import device_register

NOT_FOUND = {"detail": "Dispositivo no encontrado o no pertenece al usuario."}
ANOTHER_HOMES = {"detail": "Otra cuenta tiene este dispositivo. Pide a su dueño que lo elimine."}
BODY = {"dev_hardware_id": "A8032412C3D4", "dev_name": "Cocina"}
CALLS = [
    ("get", "/api/v1/devices/{}"),
    ("patch", "/api/v1/devices/{}"),
    ("delete", "/api/v1/devices/{}"),
    ("patch", "/api/v1/devices/{}/status"),
]


@pytest.fixture
def viewer_api(home: Home) -> APIClient:
    return client_of(make_user("invitado@example.com", home, Membership.Role.VIEWER))


@pytest.fixture
def device(home: Home) -> Device:
    return device_register(home=home, hardware_id="A8032412C3D4", name="Cocina")


def post(client: APIClient, **changes: Any) -> Any:
    return client.post("/api/v1/devices/", BODY | changes, format="json")


def test_registering_answers_the_device(api: APIClient, owner: User) -> None:
    answer = post(api)
    assert answer.status_code == 201
    body = answer.json()
    assert isinstance(body.pop("dev_id"), int)
    assert isinstance(body.pop("dev_key"), str)
    assert body.pop("dev_installed")[10] == "T"
    assert body == {
        "dev_user_id": owner.pk,
        "dev_hardware_id": "A8032412C3D4",
        "dev_name": "Cocina",
        "dev_mqtt_prefix": "shellyplus1pm",
        "dev_status": True,
        "dev_brand": "Shelly",
        "dev_model": "shellyplus1pm",
        "dev_firmware": "",
        "dev_generation": None,
        "dev_online": False,
        "dev_last_seen": None,
        "dev_proven": False,
        "dev_key_used": None,
        "dev_key_required": False,
        "is_main": False,
        "channels": [{"number": 0, "name": "Cocina", "kind": "", "is_essential": False}],
    }


@pytest.mark.parametrize("path", ["/api/v1/devices", "/api/v1/devices/"])
def test_both_forms_of_the_path_take_a_post(api: APIClient, path: str) -> None:
    assert api.post(path, BODY, format="json").status_code == 201


@pytest.mark.parametrize("prefix", [None, "", "  "])
def test_registering_without_a_prefix_takes_the_usual_one(api: APIClient, prefix: str | None) -> None:
    assert post(api, dev_mqtt_prefix=prefix).json()["dev_mqtt_prefix"] == "shellyplus1pm"


def test_a_known_prefix_sets_model_and_channels(api: APIClient) -> None:
    body = post(api, dev_mqtt_prefix="shellypro4pm", dev_name="Tablero", is_main=True).json()
    assert body["dev_model"] == body["dev_mqtt_prefix"] == "shellypro4pm"
    assert [row["name"] for row in body["channels"]] == ["Tablero 1", "Tablero 2", "Tablero 3", "Tablero 4"]
    assert body["is_main"] is True


def test_channels_can_be_named_at_registration(api: APIClient) -> None:
    body = post(api, dev_mqtt_prefix="shellyplus2pm", channels=[{"number": 1, "name": "Bomba"}]).json()
    assert [(row["number"], row["name"]) for row in body["channels"]] == [(0, "Cocina 1"), (1, "Bomba")]


def test_a_full_shelly_id_says_model_prefix_and_mac(api: APIClient) -> None:
    body = post(api, dev_hardware_id="shellypro2pm-34987AE4D353").json()
    assert (body["dev_hardware_id"], body["dev_model"], body["dev_mqtt_prefix"]) == (
        "34987AE4D353",
        "shellypro2pm",
        "shellypro2pm",
    )
    assert len(body["channels"]) == 2


def test_a_prefix_of_ones_own_leaves_the_model_unknown(api: APIClient) -> None:
    body = post(api, dev_mqtt_prefix="casa/cocina").json()
    assert (body["dev_mqtt_prefix"], body["dev_model"], body["channels"]) == ("casa/cocina", "", [])


@pytest.mark.parametrize("spelling", ["a8032412c3d4", "A8:03:24:12:C3:D4", "a8-03-24-12-c3-d4", "shellypro4pm-a8032412c3d4"])
def test_a_registered_id_is_taken_in_every_spelling_and_the_app_learns_by_whom(
    api: APIClient, stranger_api: APIClient, device: Device, spelling: str
) -> None:
    own, others = (post(client, dev_hardware_id=spelling) for client in (api, stranger_api))
    assert (own.status_code, own.json()) == (409, {"detail": "El ID de hardware ya está registrado."})
    assert (others.status_code, others.json()) == (403, ANOTHER_HOMES)
    assert Device.objects.get() == device
    assert set(others.json()["detail"]).isdisjoint("0123456789")


@pytest.mark.parametrize("name", ["TV", "1", "x" * 100])
def test_a_name_may_have_one_to_a_hundred_characters(api: APIClient, name: str) -> None:
    body = post(api, dev_name=name).json()
    assert (body["dev_name"], [row["name"] for row in body["channels"]]) == (name, [name])


@pytest.mark.parametrize("name", ["", " ", None, "x" * 101, 5])
def test_another_name_is_refused_in_one_sentence(api: APIClient, name: Any) -> None:
    (item,) = post(api, dev_name=name).json()["detail"]
    assert item["msg"] == "El nombre debe tener de 1 a 100 caracteres."


@pytest.mark.parametrize(("number", "code"), [(0, 201), (31, 201), (32, 422), (-1, 422)])
def test_channels_go_from_0_to_31(api: APIClient, number: int, code: int) -> None:
    answer = post(api, channels=[{"number": number, "name": "Bomba"}])
    assert answer.status_code == code
    assert code == 201 or answer.json()["detail"][0]["msg"] == "El número de canal va de 0 a 31."


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("dev_hardware_id", "A8032412C3D"),
        ("dev_hardware_id", "A" * 256),
        ("dev_hardware_id", "-" * 12),
        ("dev_hardware_id", "ñandú-123456"),
        ("dev_hardware_id", "İ" * 12),
        ("dev_hardware_id", "a8032412\x00c3d4"),
        ("dev_hardware_id", None),
        ("dev_hardware_id", ["A8032412C3D4"]),
        ("dev_name", "x" * 101),
        ("dev_name", None),
        ("dev_mqtt_prefix", "casa/#"),
        ("dev_mqtt_prefix", "+"),
        ("dev_mqtt_prefix", "$SYS"),
        ("dev_mqtt_prefix", "casa/planta baja/cocina/enchufe"),
        ("dev_mqtt_prefix", "x" * 101),
        ("is_main", "quizás"),
        ("channels", [{"number": 32, "name": "Bomba"}]),
        ("channels", [{"number": 0, "name": "Bomba"}, {"number": 0, "name": "Tinaco"}]),
        ("channels", "Bomba"),
    ],
)
def test_registering_refuses_bad_input(api: APIClient, field: str, value: Any) -> None:
    answer = post(api, **{field: value})
    assert answer.status_code == 422
    item = answer.json()["detail"][0]
    assert item["loc"][:2] == ["body", field]
    assert item["msg"]
    assert not Device.objects.exists()


def test_registering_refuses_what_is_no_object(api: APIClient) -> None:
    assert api.post("/api/v1/devices/", [BODY], format="json").status_code == 422
    assert api.post("/api/v1/devices/", "{", content_type="application/json").status_code == 422


def test_a_user_without_a_home_registers_nothing_and_lists_nothing(db: None) -> None:
    client = client_of(User.objects.create_user("solo@example.com", "una-clave-larga-1", name="Solo"))
    assert client.get("/api/v1/devices/").json() == []
    answer = post(client)
    assert (answer.status_code, answer.json()) == (403, {"detail": "Aún no perteneces a ningún hogar."})


def test_the_list_is_a_plain_array_by_id(api: APIClient, home: Home) -> None:
    made = [device_register(home=home, hardware_id=f"A8032412C3D{n}", name=f"Circuito {n}").pk for n in (3, 1, 2)]
    answer = api.get("/api/v1/devices/")
    assert answer.status_code == 200
    assert [row["dev_id"] for row in answer.json()] == made


def test_the_list_holds_only_the_home_that_the_app_shows(api: APIClient, owner: User, device: Device, stranger: User) -> None:
    Membership.objects.create(user=owner, home=stranger.home, role=Membership.Role.VIEWER)
    elsewhere = device_register(home=stranger.home, hardware_id="A80324120000", name="Ajeno")
    assert [row["dev_id"] for row in api.get("/api/v1/devices").json()] == [device.pk]
    assert api.get(f"/api/v1/devices/{elsewhere.pk}").json()["dev_user_id"] == stranger.pk
    assert api.delete(f"/api/v1/devices/{elsewhere.pk}").status_code == 403


def test_a_member_sees_the_owner_in_it(member: User, owner: User, device: Device) -> None:
    body = client_of(member).get(f"/api/v1/devices/{device.pk}").json()
    assert body["dev_user_id"] == owner.pk


def test_a_home_without_an_owner_shows_its_reader(api: APIClient, owner: User, device: Device) -> None:
    Membership.objects.update(role=Membership.Role.MEMBER)
    assert api.get(f"/api/v1/devices/{device.pk}").json()["dev_user_id"] == owner.pk


def test_renaming_takes_the_channel_along(api: APIClient, device: Device) -> None:
    body = api.patch(f"/api/v1/devices/{device.pk}", {"dev_name": "Comedor", "dev_mqtt_prefix": None}, format="json").json()
    assert (body["dev_name"], body["dev_mqtt_prefix"]) == ("Comedor", "shellyplus1pm")
    assert [row["name"] for row in body["channels"]] == ["Comedor"]


def test_a_channel_keeps_the_name_that_someone_gave_it(api: APIClient, device: Device) -> None:
    url = f"/api/v1/devices/{device.pk}"
    api.patch(url, {"channels": [{"number": 0, "name": "Refrigerador"}]}, format="json")
    [channel] = api.patch(url, {"dev_name": "Comedor"}, format="json").json()["channels"]
    assert channel["name"] == "Refrigerador"


def test_a_new_prefix_of_a_known_model_brings_its_channels(api: APIClient, device: Device) -> None:
    url = f"/api/v1/devices/{device.pk}"
    body = api.patch(url, {"dev_mqtt_prefix": "shellypro2pm-a8032412c3d4"}, format="json").json()
    assert (body["dev_mqtt_prefix"], body["dev_model"]) == ("shellypro2pm", "shellypro2pm")
    assert [row["name"] for row in body["channels"]] == ["Cocina 1", "Cocina 2"]
    body = api.patch(url, {"dev_mqtt_prefix": "shellyplus1pm"}, format="json").json()
    assert [row["name"] for row in body["channels"]] == ["Cocina"]


def test_an_empty_change_changes_nothing(api: APIClient, device: Device) -> None:
    url = f"/api/v1/devices/{device.pk}"
    before = api.get(url).json()
    nothing = {"dev_name": None, "dev_mqtt_prefix": None, "is_main": None, "channels": None}
    assert api.patch(url, {}, format="json").json() == api.patch(url, nothing, format="json").json() == before


@pytest.mark.parametrize("changes", [{"dev_name": "x" * 101}, {"dev_mqtt_prefix": "a#"}, {"dev_name": ""}, [], "x"])
def test_a_bad_change_is_refused(api: APIClient, device: Device, changes: Any) -> None:
    answer = api.patch(f"/api/v1/devices/{device.pk}", changes, format="json")
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["msg"]


def test_status_without_a_body_toggles(api: APIClient, device: Device) -> None:
    url = f"/api/v1/devices/{device.pk}/status"
    answers = [api.generic("PATCH", url), api.generic("PATCH", url + "/")]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert [answer.json()["dev_status"] for answer in answers] == [False, True]


def test_deleting_answers_nothing_and_frees_the_id(api: APIClient, stranger_api: APIClient, device: Device) -> None:
    answer = api.delete(f"/api/v1/devices/{device.pk}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert api.get(f"/api/v1/devices/{device.pk}").status_code == 404
    again = post(stranger_api)
    assert again.status_code == 201
    assert again.json()["dev_id"] != device.pk


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_another_homes_device_is_not_there(stranger_api: APIClient, device: Device, method: str, path: str) -> None:
    answer = getattr(stranger_api, method)(path.format(device.pk), {"dev_name": "Mío"}, format="json")
    assert (answer.status_code, answer.json()) == (404, NOT_FOUND)
    assert Device.objects.get() == device


@pytest.mark.parametrize(("method", "path"), CALLS)
@pytest.mark.parametrize("device_id", ["0", "-1", "abc", "1.5", "9" * 19, "9" * 40, "٣", "%00", "1e3", "null", " "])
def test_what_is_no_id_is_not_there(api: APIClient, method: str, path: str, device_id: str) -> None:
    answer = getattr(api, method)(path.format(device_id))
    assert (answer.status_code, answer.json()) == (404, NOT_FOUND)


@pytest.mark.parametrize(("method", "path"), [*CALLS, ("get", "/api/v1/devices/"), ("post", "/api/v1/devices/")])
def test_every_call_needs_a_login(anonymous_api: APIClient, device: Device, method: str, path: str) -> None:
    answer = getattr(anonymous_api, method)(path.format(device.pk))
    assert (answer.status_code, answer.json(), answer["WWW-Authenticate"]) == (401, {"detail": "No autenticado"}, "Bearer")


def test_a_viewer_reads(viewer_api: APIClient, device: Device) -> None:
    assert viewer_api.get("/api/v1/devices/").json() == [viewer_api.get(f"/api/v1/devices/{device.pk}").json()]


@pytest.mark.parametrize(("method", "path"), [*CALLS[1:], ("post", "/api/v1/devices/")])
def test_a_viewer_changes_nothing(viewer_api: APIClient, device: Device, method: str, path: str) -> None:
    answer = getattr(viewer_api, method)(path.format(device.pk), BODY, format="json")
    assert answer.status_code == 403
    assert answer.json() == {"detail": "Como invitado puedes ver lo que hay en el hogar, pero no cambiarlo."}


def test_a_member_may_change(member: User, device: Device) -> None:
    client = client_of(member)
    assert client.patch(f"/api/v1/devices/{device.pk}", {"dev_name": "Comedor"}, format="json").status_code == 200
    assert client.delete(f"/api/v1/devices/{device.pk}").status_code == 204


def test_reading_costs_three_queries(api: APIClient, home: Home, device: Device, django_assert_num_queries: Any) -> None:
    for number in range(5):
        device_register(home=home, hardware_id=f"A8032412C3E{number}", name="Otro")
    with django_assert_num_queries(3):  # the caller, the devices, their channels
        assert len(api.get("/api/v1/devices/").json()) == 6
    with django_assert_num_queries(3):
        api.get(f"/api/v1/devices/{device.pk}")


def test_writing_costs_a_fixed_number_of_queries(api: APIClient, device: Device, django_assert_num_queries: Any) -> None:
    url = f"/api/v1/devices/{device.pk}"
    with django_assert_num_queries(17):
        post(api, dev_hardware_id="A80324120000")
    with django_assert_num_queries(13):
        api.patch(url, {"dev_name": "Comedor"}, format="json")
    with django_assert_num_queries(7):
        api.patch(f"{url}/status")
    with django_assert_num_queries(8):
        api.delete(url)


def test_staff_input_is_normalised_before_it_is_compared(home: Home, device: Device) -> None:
    again = Device(home=home, hardware_id="A8:03:24:12:C3:D4", name="Otra vez")
    with pytest.raises(ValidationError):
        again.full_clean()
