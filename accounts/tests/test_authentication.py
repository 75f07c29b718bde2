from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.conf import settings as django_settings
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from accounts.authentication import UserAccessToken
from accounts.models import User

ME = "/api/v1/users/me"
MISSING = {"detail": "No autenticado"}
BAD = {"detail": "No se pudieron validar las credenciales"}


def get(client: APIClient, header: str | None) -> Any:
    return client.get(ME) if header is None else client.get(ME, HTTP_AUTHORIZATION=header)


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic YTpi", "Token abc", "Bearer a b", "abc"])
def test_a_missing_or_foreign_scheme_is_not_authenticated(anonymous_api: APIClient, header: str | None) -> None:
    answer = get(anonymous_api, header)
    assert (answer.status_code, answer.json()) == (401, MISSING)
    assert answer["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("token", ["x", "a.b.c", "ñ.ñ.ñ", "é" * 50, "..", "eyJhbGciOiJub25lIn0.eyJ1c2VyX2lkIjoxfQ."])
def test_a_token_that_is_none_is_refused(anonymous_api: APIClient, owner: User, token: str) -> None:
    answer = get(anonymous_api, f"Bearer {token}")
    assert (answer.status_code, answer.json()) == (401, BAD)
    assert answer["WWW-Authenticate"] == "Bearer"


def test_the_scheme_is_read_without_regard_to_case(anonymous_api: APIClient, owner: User) -> None:
    assert get(anonymous_api, f"bearer {UserAccessToken.for_user(owner)}").status_code == 200


def test_an_expired_token_is_refused(anonymous_api: APIClient, owner: User) -> None:
    token = UserAccessToken.for_user(owner)
    token.set_exp(lifetime=-timedelta(seconds=1))
    answer = get(anonymous_api, f"Bearer {token}")
    assert (answer.status_code, answer.json()) == (401, BAD)


def test_a_foreign_signature_is_refused(anonymous_api: APIClient, owner: User) -> None:
    claims = jwt.decode(str(UserAccessToken.for_user(owner)), django_settings.SECRET_KEY, algorithms=["HS256"])
    forged = jwt.encode(claims, "another key that is long enough for the signature", algorithm="HS256")
    assert get(anonymous_api, f"Bearer {forged}").json() == BAD


@pytest.mark.parametrize("claim", ["user_id", "hash_password", "token_type", "exp"])
def test_a_token_without_one_of_its_claims_is_refused(anonymous_api: APIClient, owner: User, claim: str) -> None:
    claims = jwt.decode(str(UserAccessToken.for_user(owner)), django_settings.SECRET_KEY, algorithms=["HS256"])
    del claims[claim]
    token = jwt.encode(claims, django_settings.SECRET_KEY, algorithm="HS256")
    assert get(anonymous_api, f"Bearer {token}").json() == BAD


def test_a_token_of_another_kind_is_refused(anonymous_api: APIClient, owner: User) -> None:
    assert get(anonymous_api, f"Bearer {RefreshToken.for_user(owner)}").json() == BAD


def test_a_user_id_as_text_is_understood_too(anonymous_api: APIClient, owner: User) -> None:
    assert get(anonymous_api, f"Bearer {AccessToken.for_user(owner)}").status_code == 200


def test_the_token_of_an_inactive_user_is_refused(anonymous_api: APIClient, owner: User) -> None:
    token = UserAccessToken.for_user(owner)
    User.objects.update(is_active=False)
    answer = get(anonymous_api, f"Bearer {token}")
    assert (answer.status_code, answer.json()) == (401, BAD)


def test_the_token_of_a_deleted_user_is_refused(anonymous_api: APIClient, owner: User) -> None:
    token = UserAccessToken.for_user(owner)
    owner.delete()
    answer = get(anonymous_api, f"Bearer {token}")
    assert (answer.status_code, answer.json()) == (401, BAD)
    assert answer["WWW-Authenticate"] == "Bearer"
