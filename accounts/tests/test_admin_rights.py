"""What staff who are no superusers can not make of themselves and others, and what nobody reads out of the admin."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from accounts import services
from accounts.models import PushToken, Session, User
from accounts.tests.requests import login as api_login
from conftest import PASSWORD, client_of

LOGIN = "/admin/login/"


def staff_with(*codenames: str, email: str = "staff@example.com") -> tuple[User, Client]:
    user = User.objects.create_user(email, PASSWORD, name="Staff", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    browser = Client()
    browser.force_login(user)
    return user, browser


@pytest.fixture
def support(db: None) -> tuple[User, Client]:
    return staff_with("view_user", "change_user", "add_user", "delete_user", "view_group", "change_group", "add_group")


def change(browser: Client, user: User, **changes: Any) -> HttpResponse:
    body = {
        "email": user.email,
        "name": user.name,
        "is_active": "on",
        "memberships-TOTAL_FORMS": 0,
        "memberships-INITIAL_FORMS": 0,
    }
    return browser.post(reverse("admin:accounts_user_change", args=[user.pk]), body | changes)  # type: ignore[return-value]


def test_nobody_becomes_a_superuser_by_changing_users(support: tuple[User, Client], owner: User) -> None:
    me, browser = support
    every = list(Permission.objects.values_list("pk", flat=True))
    group = Group.objects.create(name="Todo")
    group.permissions.set(every)
    for user in (me, owner):
        rights = {"is_superuser": "on", "is_staff": "on", "user_permissions": every, "groups": [group.pk]}
        assert change(browser, user, name="Otro Nombre", **rights).status_code == 302
        changed = User.objects.get(pk=user.pk)
        assert changed.name == "Otro Nombre"
        assert (changed.is_superuser, changed.is_staff, changed.groups.count()) == (False, user == me, 0)
        assert changed.user_permissions.count() == user.user_permissions.count() < len(every)


def test_groups_are_changed_by_superusers_alone(support: tuple[User, Client], admin_client: Client) -> None:
    group = Group.objects.create(name="Soporte")
    page = reverse("admin:auth_group_change", args=[group.pk])
    assert support[1].post(page, {"name": "Todo"}).status_code == 403
    assert support[1].post(reverse("admin:auth_group_add"), {"name": "Todo"}).status_code == 403
    assert admin_client.post(page, {"name": "Todo"}).status_code == 302


@pytest.mark.parametrize("active", [True, False])
def test_who_may_do_more_is_not_changed_and_gets_no_other_password(support: tuple[User, Client], active: bool) -> None:
    chief = User.objects.create_superuser("jefa@example.com", PASSWORD, name="La Jefa")
    analyst, _ = staff_with("view_user", "change_price", email="analista@example.com")
    User.objects.exclude(pk=support[0].pk).update(is_active=active)
    for user in (chief, analyst):
        before = User.objects.filter(pk=user.pk).values().get()
        assert change(support[1], user, email="mio@example.com").status_code == 403
        passwords = {"password1": "otra-clave-2", "password2": "otra-clave-2", "usable_password": "true"}
        assert support[1].post(f"/admin/accounts/user/{user.pk}/password/", passwords).status_code == 403
        assert support[1].post(f"/admin/accounts/user/{user.pk}/delete/", {"post": "yes"}).status_code == 403
        assert User.objects.filter(pk=user.pk).values().get() == before


def test_a_colleague_with_no_more_rights_and_a_customer_are_changed(support: tuple[User, Client], owner: User) -> None:
    colleague, _ = staff_with("view_user", email="colega@example.com")
    for user in (colleague, owner):
        passwords = {"password1": "otra-clave-2", "password2": "otra-clave-2", "usable_password": "true"}
        assert support[1].post(f"/admin/accounts/user/{user.pk}/password/", passwords).status_code == 302
        assert User.objects.get(pk=user.pk).check_password("otra-clave-2")


def test_superusers_give_rights(admin_client: Client, owner: User) -> None:
    one = Permission.objects.get(codename="view_user")
    assert change(admin_client, owner, is_staff="on", user_permissions=[one.pk]).status_code == 302
    changed = User.objects.get(pk=owner.pk)
    assert (changed.is_staff, changed.user_permissions.get()) == (True, one)


@pytest.mark.parametrize("field", ["token__startswith", "token", "digest__startswith", "user__password__startswith"])
def test_nobody_asks_how_a_token_starts(admin_client: Client, owner: User, field: str) -> None:
    services.push_token_register(session=Session.objects.create(user=owner), token="t" * 120)
    answers = [admin_client.get(reverse("admin:accounts_pushtoken_changelist"), {field: word}) for word in ("t", "x")]
    assert [answer.status_code for answer in answers] == [400, 400]
    assert PushToken.objects.exists()


def test_no_list_of_the_admin_is_searched_by_a_secret(admin_client: Client) -> None:
    names = {"token", "digest", "password", "secret", "key"}
    lists = {
        model: reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist") for model in admin.site._registry
    }
    asked = [(url, path) for model, url in lists.items() for path in paths_to(model, names)]
    assert {path for _, path in asked} >= {"token", "digest", "password", "user__password", "tokens__digest"}
    assert {admin_client.get(url, {f"{path}__startswith": "a"}).status_code for url, path in asked} == {400}


def paths_to(model: Any, names: set[str]) -> Iterator[str]:
    """Yield where such fields are, of the model and of those beside it."""
    for field in model._meta.get_fields():
        if field.name in names:
            yield field.name
        if field.related_model is not None:
            yield from (f"{field.name}__{one.name}" for one in field.related_model._meta.get_fields() if one.name in names)


def guess(password: str, **extra: Any) -> Any:
    return Client().post(LOGIN, {"username": "jefa@example.com", "password": password}, **extra)


@pytest.fixture
def chief(db: None) -> User:
    return User.objects.create_superuser("jefa@example.com", PASSWORD, name="La Jefa")


def test_guesses_at_the_admin_and_the_api_count_together(chief: User, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    assert [guess("otra-clave-9").status_code for _ in range(5)] == [200] * 5
    assert [api_login(client_of(None), chief.email).status_code for _ in range(5)] == [401] * 5
    refused = guess(PASSWORD)
    assert refused.status_code == 429
    assert 3500 < int(refused["Retry-After"]) <= 3600
    assert "Demasiados intentos. Inténtalo de nuevo más tarde." in refused.content.decode()
    assert api_login(client_of(None), chief.email, PASSWORD).status_code == 429
    assert guess(PASSWORD, REMOTE_ADDR="203.0.113.7").status_code == 302
    assert caplog.text.count("admin_login_refused") == 5
    assert "admin_login_throttled" in caplog.text
    assert not any(word in caplog.text for word in ("jefa", PASSWORD, "otra-clave-9"))


def test_logins_at_the_admin_count_for_the_address(chief: User, settings: Any) -> None:
    settings.AUTH_REQUESTS_PER_ADDRESS_PER_MINUTE = 2
    assert [guess(PASSWORD).status_code for _ in range(3)] == [302, 302, 429]
    assert api_login(client_of(None), chief.email, PASSWORD).status_code == 429
    assert Client().get(LOGIN).status_code == 200


def test_a_session_of_the_admin_lasts_twelve_hours(chief: User) -> None:
    assert int(guess(PASSWORD).cookies["sessionid"]["max-age"]) == 12 * 3600


@pytest.mark.parametrize("path", ["/admin", "/admin/"])
def test_without_a_login_the_admin_leads_to_it(path: str, owner: User) -> None:
    customer = Client()
    customer.force_login(owner)
    for browser in (Client(), customer):
        answer = browser.get(path)
        assert (answer.status_code, answer["Location"]) == (302, f"{LOGIN}?next={path}")


@pytest.mark.parametrize(
    "path",
    [
        "/admin/autocomplete/?term=%00&app_label=accounts&model_name=membership&field_name=user",
        "/admin/accounts/user/?q=%00",
        "/admin/accounts/user/?email=%00",
        "/admin/accounts/home/?time_zone=a%00b",
        "/admin/search/?s=%00",
        "/admin/accounts/pushtoken/?platform__exact=%00",
        "/admin/login/?next=%00",
    ],
)
def test_a_nul_in_a_query_is_refused(admin_client: Client, path: str) -> None:
    assert admin_client.get(path).status_code == 400
