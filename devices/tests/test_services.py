from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import IntegrityError, connection

from accounts.models import Contract, Home
from devices.exceptions import DeviceNotFound, DeviceOfAnotherHome
from devices.models import Device
from devices.services import device_register, device_toggle, device_update


@pytest.mark.django_db(transaction=True)
def test_of_many_who_claim_a_device_at_once_one_gets_it() -> None:
    homes = [Home.objects.create(name=f"Casa {number}") for number in range(8)]
    Contract.objects.bulk_create(Contract(home=home) for home in homes)

    def claim(home: Home) -> bool:
        try:
            device_register(home=home, hardware_id="A8:03:24:12:C3:D4", name="Cocina", mqtt_prefix="shellypro4pm")
        except DeviceOfAnotherHome:
            return False
        else:
            return True
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(claim, homes)) == [False] * 7 + [True]
    assert Device.objects.get().channels.count() == 4


@pytest.mark.django_db(transaction=True)
def test_toggles_at_the_same_moment_all_count() -> None:
    home = Home.objects.create(name="Casa")
    device = device_register(home=home, hardware_id="A8032412C3D4", name="Cocina")

    def toggle(_: int) -> None:
        try:
            device_toggle(device=Device.objects.get(pk=device.pk))
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(toggle, range(7)))
    assert Device.objects.get().is_active is False


def test_the_database_itself_refuses_an_id_in_capitals(home: Home) -> None:
    with pytest.raises(IntegrityError):
        Device.objects.create(home=home, hardware_id="A8032412C3D4", name="Cocina")


def test_a_device_that_has_gone_meanwhile_is_not_found(meter: Device) -> None:
    Device.objects.filter(pk=meter.pk).delete()
    with pytest.raises(DeviceNotFound):
        device_toggle(device=meter)
    with pytest.raises(DeviceNotFound):
        device_update(device=meter, name="Comedor")


def test_the_ids_model_wins_over_the_topic_prefix(home: Home) -> None:
    device = device_register(home=home, hardware_id="shellypro4pm-34987ae4d353", name="Tablero", mqtt_prefix="casa/tablero")
    assert (device.model, device.mqtt_prefix, device.channels.count()) == ("shellypro4pm", "casa/tablero", 4)
