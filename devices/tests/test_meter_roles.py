"""When a device was the mains of its home."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from accounts.models import Home, User
from devices.meter_roles import EVER, FOREVER, Role, roles_over_time
from devices.models import Device, RoleChange
from devices.selectors import roles_of
from devices.services import device_register, device_retire


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, 3, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("is_main", "changes", "retired_at", "expected"),
    [
        (False, [], None, [(False, EVER, FOREVER)]),
        (True, [], None, [(True, EVER, FOREVER)]),
        (True, [], at(9, 30), [(True, EVER, at(10))]),
        (False, [], at(9, 30), [(False, EVER, at(10))]),
        (True, [at(9, 30)], None, [(False, EVER, at(9)), (True, at(9), FOREVER)]),
        (False, [at(9, 30)], None, [(True, EVER, at(10)), (False, at(10), FOREVER)]),
        (False, [at(9)], None, [(True, EVER, at(9)), (False, at(9), FOREVER)]),
        (True, [at(9, 5), at(8, 55)], None, [(True, EVER, FOREVER)]),
        (True, [at(9, 50), at(9, 10)], None, [(True, EVER, FOREVER)]),
        (False, [at(9, 50), at(9, 10)], None, [(False, EVER, at(9)), (True, at(9), at(10)), (False, at(10), FOREVER)]),
    ],
)
def test_an_hour_in_which_it_was_the_mains_for_a_moment_is_whole(
    is_main: bool, changes: list[datetime], retired_at: datetime | None, expected: list[tuple[bool, datetime, datetime]]
) -> None:
    roles = roles_over_time(7, is_main=is_main, changes=changes, retired_at=retired_at)
    assert roles == [Role(7, *role) for role in expected]


def patch(api: APIClient, device: Device, is_main: bool) -> None:
    assert api.patch(f"/api/v1/devices/{device.pk}", {"is_main": is_main}, format="json").json()["is_main"] is is_main


def test_a_change_is_noted_once(api: APIClient, meter: Device) -> None:
    Device.objects.update(last_seen_at=timezone.now())
    for is_main in (False, True, True, False):
        patch(api, meter, is_main)
    assert RoleChange.objects.filter(device=meter).count() == 2


def test_what_is_said_of_a_device_that_never_spoke_has_been_so_from_the_start(api: APIClient, meter: Device, home: Home) -> None:
    patch(api, meter, True)
    assert roles_of(home) == [Role(meter.pk, True)]


def test_a_device_that_ceases_to_be_the_mains_has_been_it(api: APIClient, meter: Device, home: Home) -> None:
    Device.objects.update(is_main=True)
    patch(api, meter, False)
    before, since = roles_of(home)
    assert (before.is_main, since.is_main) == (True, False)
    assert timezone.now() < before.until <= timezone.now() + timedelta(hours=1)


def test_a_home_knows_the_roles_of_what_it_has_deleted_in_one_query(
    home: Home, meter: Device, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    mains = device_register(home=home, hardware_id="A80324120000", name="Casa", is_main=True)
    device_retire(device=mains)
    with django_assert_num_queries(1):
        assert [(role.device_id, role.is_main) for role in roles_of(home)] == [(meter.pk, False), (mains.pk, True)]


def test_staff_who_change_a_role_note_it_and_correct_when_it_was(client: Client, meter: Device) -> None:
    client.force_login(User.objects.create_superuser("admin@example.com", "una-clave-larga-1", name="Admin"))
    Device.objects.update(last_seen_at=timezone.now())
    page = f"/admin/devices/device/{meter.pk}/change/"
    names = {"name": "Casa", "mqtt_prefix": "shellyplus1pm", "model": "shellyplus1pm", "brand": "Shelly", "is_active": "on"}
    forms = {f"{of}-{field}": "0" for of in ("channels", "role_changes") for field in ("TOTAL_FORMS", "INITIAL_FORMS")}
    assert client.post(page, names | forms | {"is_main": "on"}).status_code == 302
    change = RoleChange.objects.get()
    forms |= {"role_changes-TOTAL_FORMS": "1", "role_changes-INITIAL_FORMS": "1", "role_changes-0-id": str(change.pk)}
    moment = {"role_changes-0-device": str(meter.pk), "role_changes-0-at_0": "2026-11-01", "role_changes-0-at_1": "08:00:00"}
    assert client.post(page, names | forms | moment | {"is_main": "on"}).status_code == 302
    assert f"{RoleChange.objects.get().at:%Y-%m-%d}" == "2026-11-01"
