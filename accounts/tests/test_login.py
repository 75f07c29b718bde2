from collections.abc import Callable
from typing import Any

import jwt
import pytest
from django.conf import settings as django_settings
from django.contrib.auth.hashers import MD5PasswordHasher
from rest_framework.test import APIClient

from accounts.models import RefreshToken, Session, User
from accounts.security.secret_tokens import digest
from conftest import PASSWORD

LOGIN = "/api/v1/auth/login"
WRONG = {"detail": "Email o contraseña incorrectos"}


def login(client: APIClient, email: str = "dueno@example.com", password: str = PASSWORD, **extra: Any) -> Any:
    return client.post(LOGIN, {"user_email": email, "user_password": password}, format="json", **extra)


def test_a_login_answers_both_tokens(anonymous_api: APIClient, owner: User) -> None:
    answer = login(anonymous_api)
    assert answer.status_code == 200
    assert set(answer.json()) == {"access_token", "refresh_token", "token_type"}
    assert answer.json()["token_type"] == "Bearer"
    assert len(answer.json()["refresh_token"]) <= 512


def test_the_access_token_carries_the_user_id_as_a_number_and_lives_half_an_hour(anonymous_api: APIClient, owner: User) -> None:
    token = login(anonymous_api).json()["access_token"]
    claims = jwt.decode(token, django_settings.SECRET_KEY, algorithms=["HS256"])
    assert claims["user_id"] == owner.pk
    assert isinstance(claims["user_id"], int)
    assert claims["exp"] - claims["iat"] == 30 * 60


def test_the_access_token_opens_the_api(anonymous_api: APIClient, owner: User) -> None:
    token = login(anonymous_api).json()["access_token"]
    answer = anonymous_api.get("/api/v1/users/me", HTTP_AUTHORIZATION=f"Bearer {token}")
    assert answer.json()["user_id"] == owner.pk


def test_the_refresh_token_is_stored_as_its_digest_alone(anonymous_api: APIClient, owner: User) -> None:
    token = login(anonymous_api).json()["refresh_token"]
    assert RefreshToken.objects.get().digest == digest(token)
    assert not RefreshToken.objects.filter(digest__contains=token).exists()


@pytest.mark.parametrize("email", ["DUENO@Example.com", "  dueno@example.com \n", "Dueno@EXAMPLE.COM"])
def test_the_email_is_trimmed_and_compared_without_regard_to_case(anonymous_api: APIClient, owner: User, email: str) -> None:
    assert login(anonymous_api, email).status_code == 200


@pytest.mark.parametrize(("email", "password"), [("dueno@example.com", "otra-clave"), ("nadie@example.com", PASSWORD)])
def test_a_wrong_password_and_an_unknown_account_get_one_answer(
    anonymous_api: APIClient, owner: User, email: str, password: str
) -> None:
    answer = login(anonymous_api, email, password)
    assert (answer.status_code, answer.json()) == (401, WRONG)
    assert answer["WWW-Authenticate"] == "Bearer"
    assert not Session.objects.exists()


class CountingHasher(MD5PasswordHasher):
    """MD5 that counts its work."""

    runs = 0

    def encode(self, password: str, salt: str) -> str:
        type(self).runs += 1
        return super().encode(password, salt)


def test_an_unknown_account_costs_as_many_password_hashes_as_a_known_one(
    anonymous_api: APIClient, settings: Any, db: None
) -> None:
    settings.PASSWORD_HASHERS = [f"{__name__}.CountingHasher"]
    User.objects.create_user("ana@example.com", PASSWORD, name="Ana López")
    User.objects.create_user("fuera@example.com", PASSWORD, name="Ya Se Fue", is_active=False)
    runs = []
    for email in ("ana@example.com", "nadie@example.com", "fuera@example.com"):
        CountingHasher.runs = 0
        assert login(anonymous_api, email, "otra-clave").status_code == 401
        runs.append(CountingHasher.runs)
    assert runs == [1, 1, 1]


def test_an_inactive_user_can_not_log_in(anonymous_api: APIClient, owner: User) -> None:
    User.objects.update(is_active=False)
    assert login(anonymous_api).json() == WRONG


def test_an_expired_access_token_does_not_get_in_the_way(anonymous_api: APIClient, owner: User) -> None:
    assert login(anonymous_api, HTTP_AUTHORIZATION="Bearer expired").status_code == 200


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["user_email", "user_password"]),
        ({"user_email": "ana", "user_password": "corta12"}, ["user_email", "user_password"]),
        ({"user_email": "ana@example.com", "user_password": "x" * 129}, ["user_password"]),
        ({"user_email": "a@example.com", "user_password": "nulo\0nulo"}, ["user_password"]),
        ({"user_email": "nu\0lo@example.com", "user_password": None}, ["user_email", "user_password"]),
        ({"user_email": ["a@example.com"], "user_password": 12345678}, ["user_email", "user_password"]),
    ],
)
def test_everything_wrong_is_said_at_once_and_no_password_is_repeated(
    anonymous_api: APIClient, db: None, body: dict[str, Any], fields: list[str]
) -> None:
    answer = anonymous_api.post(LOGIN, body, format="json")
    items = answer.json()["detail"]
    assert answer.status_code == 422
    assert list(dict.fromkeys(item["loc"][1] for item in items)) == fields
    assert all(item["msg"] for item in items)
    assert all(item["input"] is None for item in items if item["loc"][1] == "user_password")


def test_a_password_of_seven_characters_is_refused_in_spanish(anonymous_api: APIClient, db: None) -> None:
    (item,) = login(anonymous_api, password="corta12").json()["detail"]
    assert item == {
        "type": "min_length",
        "loc": ["body", "user_password"],
        "msg": "La contraseña debe tener de 8 a 128 caracteres.",
        "input": None,
    }


def test_a_password_keeps_its_blanks(anonymous_api: APIClient, db: None) -> None:
    User.objects.create_user("ana@example.com", "  ocho    ", name="Ana López")
    assert login(anonymous_api, "ana@example.com", "  ocho    ").status_code == 200
    assert login(anonymous_api, "ana@example.com", "ocho    ").status_code == 401


def test_a_login_takes_seven_queries(
    anonymous_api: APIClient, owner: User, django_assert_num_queries: Callable[[int], Any]
) -> None:
    with django_assert_num_queries(7):  # user; savepoint, lock, session, token, the user's sessions, release
        login(anonymous_api)


def test_both_forms_of_the_path_work(anonymous_api: APIClient, owner: User) -> None:
    body = {"user_email": owner.email, "user_password": PASSWORD}
    assert anonymous_api.post(f"{LOGIN}/", body, format="json").status_code == 200
