from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts import services
from accounts.models import PushToken, User
from accounts.tests.requests import PHONE_TOKEN as TOKEN
from accounts.tests.requests import PHONES as PATH
from accounts.tests.requests import register_phone as register
from common.testing import together
from conftest import client_of


def test_a_phone_is_registered(api: APIClient, owner: User) -> None:
    answer = register(api, device_name="Pixel 9", platform="android")
    row = PushToken.objects.get()
    assert (answer.status_code, answer.json()) == (200, {"message": "Token registrado"})
    assert (row.user, row.token, row.device_name, row.platform) == (owner, TOKEN, "Pixel 9", "android")


@pytest.mark.parametrize("more", [{}, {"device_name": None, "platform": None}, {"device_name": ""}])
def test_name_and_platform_may_be_missing_or_null(api: APIClient, more: dict[str, Any]) -> None:
    assert register(api, **more).status_code == 200
    assert PushToken.objects.filter(device_name="", platform="").count() == 1


def test_the_longest_token_is_stored_whole(api: APIClient) -> None:
    token = "".join(chr(0x4E00 + number) for number in range(4096))  # three bytes each, and nothing to compress
    assert register(api, token).status_code == 200
    assert PushToken.objects.get().token == token


def test_registering_again_updates_the_one_row(api: APIClient) -> None:
    register(api, device_name="Viejo", platform="android")
    before = PushToken.objects.get()
    register(api, device_name="Nuevo", platform="ios")
    after = PushToken.objects.get()
    assert (after.pk, after.device_name, after.platform) == (before.pk, "Nuevo", "ios")
    assert after.updated_at > before.updated_at


def test_a_token_belongs_to_whoever_registered_it_last(api: APIClient, stranger_api: APIClient, stranger: User) -> None:
    register(api)
    register(stranger_api)
    assert PushToken.objects.get().user == stranger


def test_a_user_may_have_several_phones(api: APIClient, owner: User) -> None:
    register(api)
    register(api, "u" * 100)
    assert owner.push_tokens.count() == 2


@pytest.mark.django_db(transaction=True)
def test_two_registrations_at_the_same_instant_both_succeed(owner: User, stranger: User) -> None:
    clients = [client_of(owner), client_of(stranger), client_of(owner), client_of(owner)]
    assert {answer.status_code for answer in together(lambda n: register(clients[n]), 4)} == {200}
    assert PushToken.objects.count() == 1


def test_a_phone_needs_a_login(anonymous_api: APIClient) -> None:
    answer = register(anonymous_api)
    assert (answer.status_code, answer.json()) == (401, {"detail": "No autenticado"})
    assert answer["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "fcm_token"),
        ({"fcm_token": None}, "fcm_token"),
        ({"fcm_token": "t" * 99}, "fcm_token"),
        ({"fcm_token": "t" * 4097}, "fcm_token"),
        ({"fcm_token": "t" * 100 + "\0"}, "fcm_token"),
        ({"fcm_token": TOKEN, "platform": "404"}, "platform"),
        ({"fcm_token": TOKEN, "platform": {"a": 1}}, "platform"),
        ({"fcm_token": TOKEN, "platform": ""}, "platform"),
        ({"fcm_token": TOKEN, "device_name": "x" * 256}, "device_name"),
        ({"fcm_token": TOKEN, "device_name": 7}, "device_name"),
    ],
)
def test_a_bad_body_is_refused(api: APIClient, body: dict[str, Any], field: str) -> None:
    answer = api.post(PATH, body, format="json")
    (item,) = answer.json()["detail"]
    assert (answer.status_code, item["loc"]) == (422, ["body", field])
    assert item["msg"].endswith(".")
    assert "404" not in item["msg"]
    assert not PushToken.objects.exists()


def test_a_registration_takes_six_queries(api: APIClient, django_assert_num_queries: Callable[[int], Any]) -> None:
    with django_assert_num_queries(6):  # caller; savepoint, session, upsert, the user's phones, release
        register(api)


@pytest.fixture
def pair(owner: User) -> services.TokenPair:
    """A login whose phone is registered, beside that of another phone."""
    register(client_of(owner), "o" * 100)
    pair = services.session_start(user=owner)
    register(bearing(pair))
    return pair


def bearing(pair: services.TokenPair) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {pair.access_token}")
    return client


def phones() -> list[str]:
    return sorted(token[0] for token in PushToken.objects.values_list("token", flat=True))


def test_a_phone_goes_with_its_session_and_no_other(pair: services.TokenPair) -> None:
    assert phones() == ["o", "t"]
    services.session_revoke(token=services.session_refresh(token=pair.refresh_token).refresh_token)
    assert phones() == ["o"]


def test_a_new_password_takes_every_phone(pair: services.TokenPair, owner: User) -> None:
    owner.set_password("otra-clave-2")
    owner.save()
    assert phones() == []


def test_deactivation_takes_every_phone(pair: services.TokenPair, owner: User) -> None:
    owner.is_active = False
    owner.save()
    assert phones() == []


def test_a_phone_that_another_session_registered_since_stays(pair: services.TokenPair, stranger_api: APIClient) -> None:
    register(stranger_api)
    services.session_revoke(token=pair.refresh_token)
    assert phones() == ["o", "t"]


def test_a_phone_from_before_sessions_were_noted_goes_with_the_last_one(pair: services.TokenPair, owner: User) -> None:
    PushToken.objects.update(session=None)
    services.session_revoke(token=pair.refresh_token)
    assert phones() == ["o", "t"]
    services.sessions_revoke_all(user=owner)
    assert phones() == []


def test_the_cleanup_takes_phones_of_users_without_a_session(owner: User) -> None:
    PushToken.objects.create(user=owner, token=TOKEN, digest="d")
    assert services.sessions_cleanup() == 1
    assert phones() == []


@pytest.mark.django_db(transaction=True)
def test_no_phone_stays_that_registers_while_its_session_ends(owner: User) -> None:
    for _ in range(10):
        pair = services.session_start(user=owner)

        def act(number: int, pair: services.TokenPair = pair) -> int:
            if number == 0:
                services.session_revoke(token=pair.refresh_token)
                return 0
            return int(register(bearing(pair), str(number) * 100).status_code)

        assert set(together(act, 4)) <= {0, 200, 401}
        assert phones() == []
