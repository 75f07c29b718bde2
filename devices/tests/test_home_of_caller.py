"""Which home the app shows its user, and which devices are that home's: one answer, whoever asks."""

from typing import Any

import pytest

from accounts.command_arguments import home_of
from accounts.exceptions import NoHome, NoHomeToChange, ViewerMayNotChange
from accounts.models import Home, Membership, User
from accounts.selectors import home_to_change
from devices.exceptions import DeviceNotFound
from devices.models import Device
from devices.selectors import device_get, device_of_home


@pytest.fixture
def guest(home: Home, stranger: User) -> User:
    """The stranger, who has later been invited into the owner's home."""
    Membership.objects.create(user=stranger, home=home, role=Membership.Role.VIEWER)
    return stranger


def test_it_is_the_first_that_the_user_joined_with_the_role_there(
    home: Home, guest: User, meter: Device, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(1):
        own = guest.home
    assert (own.name, own.caller_role) == ("Casa de Ajeno", "owner")
    assert home_to_change(guest) == home_of("AJENO@example.com") == own
    assert not Device.objects.in_home_of(guest).exists()
    Membership.objects.get(user=guest, home=own).delete()
    assert (guest.home, guest.home.caller_role) == (home, "viewer")
    assert list(Device.objects.in_home_of(guest)) == [meter]
    with pytest.raises(ViewerMayNotChange):
        home_to_change(guest)


def test_who_has_none_is_told_so(stranger: User, meter: Device) -> None:
    Membership.objects.filter(user=stranger).delete()
    with pytest.raises(NoHome):
        _ = stranger.home
    with pytest.raises(NoHomeToChange):
        home_to_change(stranger)
    assert not Device.objects.in_home_of(stranger).exists()


def test_a_device_is_the_homes_that_has_it_and_visible_to_all_who_belong_there(home: Home, guest: User, meter: Device) -> None:
    assert device_of_home(home=home, device_id=meter.pk) == device_get(user=guest, device_id=meter.pk) == meter
    with pytest.raises(DeviceNotFound):
        device_of_home(home=guest.home, device_id=meter.pk)
