"""Deleting people leaves no home without an owner."""

import pytest
from django.test import Client

from accounts.models import Home, Membership, User
from accounts.services import users_delete
from conftest import make_user
from devices.models import Device

Role = Membership.Role


@pytest.fixture
def staff(db: None, client: Client) -> Client:
    client.force_login(User.objects.create_superuser("admin@example.com", "una-clave-larga-1", name="Admin"))
    return client


def roles(home: Home) -> dict[str, str]:
    return dict(home.memberships.values_list("user__email", "role"))


def test_the_last_one_takes_the_home_along(owner: User, home: Home, meter: Device, stranger: User) -> None:
    users_delete(users=[owner])
    assert list(Home.objects.all()) == [stranger.home]
    assert not Device.with_retired.exists()


def test_a_member_becomes_the_owner_before_an_invited_one(owner: User, home: Home) -> None:
    make_user("invitado@example.com", home, Role.VIEWER)
    make_user("miembro@example.com", home, Role.MEMBER)
    users_delete(users=[owner])
    assert roles(home) == {"invitado@example.com": "viewer", "miembro@example.com": "owner"}


def test_an_invited_one_becomes_the_owner_where_nobody_else_is(owner: User, home: Home) -> None:
    make_user("invitado@example.com", home, Role.VIEWER)
    users_delete(users=[owner])
    assert roles(home) == {"invitado@example.com": "owner"}


def test_where_another_owner_is_left_nobody_is_promoted(owner: User, home: Home, member: User) -> None:
    make_user("duena@example.com", home, Role.OWNER)
    users_delete(users=[owner])
    assert roles(home) == {"miembro@example.com": "member", "duena@example.com": "owner"}


def test_several_who_go_at_once_are_no_heirs_of_each_other(owner: User, home: Home, member: User) -> None:
    users_delete(users=[owner, member])
    assert not Home.objects.exists()


def test_staff_are_told_before(staff: Client, owner: User, home: Home, meter: Device) -> None:
    page = f"/admin/accounts/user/{owner.pk}/delete/"
    text = staff.get(page).content.decode()
    assert "se pierde todo lo que midieron" in text
    assert (home.name in text, meter.name in text) == (True, True)
    make_user("miembro@example.com", home, Role.MEMBER)
    text = staff.get(page).content.decode()
    assert "miembro@example.com será dueño de Casa de Dueno." in text
    assert "se pierde" not in text
    staff.post(page, {"post": "yes"})
    assert roles(home) == {"miembro@example.com": "owner"}


def test_staff_delete_several(staff: Client, owner: User, home: Home, member: User) -> None:
    chosen = {"action": "delete_selected", "_selected_action": [str(owner.pk), str(member.pk)]}
    assert "se pierde todo lo que midieron" in staff.post("/admin/accounts/user/", chosen).content.decode()
    staff.post("/admin/accounts/user/", chosen | {"post": "yes"})
    assert not Home.objects.exists()


def test_the_list_of_homes_names_the_owner(staff: Client, owner: User, home: Home, member: User) -> None:
    page = staff.get("/admin/accounts/home/").content.decode()
    assert (owner.email in page, member.email in page) == (True, False)
