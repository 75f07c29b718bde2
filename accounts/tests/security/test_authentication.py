from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from accounts import services
from accounts.exceptions import RefreshRefused
from accounts.models import Session, User
from accounts.security.authentication import UserAccessToken, session_of_token
from conftest import access_token

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
    assert get(anonymous_api, f"bearer {access_token(owner)}").status_code == 200


def test_an_expired_token_is_refused(anonymous_api: APIClient, owner: User) -> None:
    token = access_token(owner, seconds=-1)
    answer = get(anonymous_api, f"Bearer {token}")
    assert (answer.status_code, answer.json()) == (401, BAD)


def test_a_foreign_signature_is_refused(anonymous_api: APIClient, owner: User) -> None:
    claims = jwt.decode(str(access_token(owner)), django_settings.SECRET_KEY, algorithms=["HS256"])
    forged = jwt.encode(claims, "another key that is long enough for the signature", algorithm="HS256")
    assert get(anonymous_api, f"Bearer {forged}").json() == BAD


@pytest.mark.parametrize("claim", ["user_id", "sid", "hash_password", "token_type", "exp"])
def test_a_token_without_one_of_its_claims_is_refused(anonymous_api: APIClient, owner: User, claim: str) -> None:
    claims = jwt.decode(str(access_token(owner)), django_settings.SECRET_KEY, algorithms=["HS256"])
    del claims[claim]
    token = jwt.encode(claims, django_settings.SECRET_KEY, algorithm="HS256")
    assert get(anonymous_api, f"Bearer {token}").json() == BAD


def test_a_token_of_another_kind_is_refused(anonymous_api: APIClient, owner: User) -> None:
    assert get(anonymous_api, f"Bearer {RefreshToken.for_user(owner)}").json() == BAD


def test_a_user_id_as_text_is_understood_too(anonymous_api: APIClient, owner: User) -> None:
    token = access_token(owner)
    token["user_id"] = str(owner.pk)
    assert get(anonymous_api, f"Bearer {token}").status_code == 200


def test_a_token_from_before_tokens_had_a_session_is_refused_so_that_the_app_refreshes(
    anonymous_api: APIClient, owner: User
) -> None:
    assert get(anonymous_api, f"Bearer {AccessToken.for_user(owner)}").status_code == 401
    assert get(anonymous_api, f"Bearer {UserAccessToken.for_user(owner)}").status_code == 401


@pytest.mark.parametrize("absurd", [None, True, -1, 0, 10**30, 1.5, float("nan"), float("inf"), "", "x", "1\0", [1], {"a": 1}])
@pytest.mark.parametrize("claim", ["user_id", "sid", "hash_password", "token_type", "exp", "iat", "jti"])
def test_a_signed_token_with_an_absurd_claim_is_no_crash(anonymous_api: APIClient, owner: User, claim: str, absurd: Any) -> None:
    token = access_token(owner)
    token[claim] = absurd
    assert get(anonymous_api, f"Bearer {token}").status_code in {200, 401}


def test_a_token_names_its_own_session_alone(anonymous_api: APIClient, owner: User, stranger: User) -> None:
    token = access_token(owner)
    token["sid"] = Session.objects.create(user=stranger).pk
    assert get(anonymous_api, f"Bearer {token}").json() == BAD


def test_a_token_ends_with_its_session_and_no_other(anonymous_api: APIClient, owner: User) -> None:
    ended, other = services.session_start(user=owner), services.session_start(user=owner)
    services.session_revoke(token=ended.refresh_token)
    codes = [get(anonymous_api, f"Bearer {pair.access_token}").status_code for pair in (ended, other)]
    assert codes == [401, 200]


def test_a_refreshed_token_is_of_the_same_session(anonymous_api: APIClient, owner: User) -> None:
    first = services.session_start(user=owner)
    second = services.session_refresh(token=first.refresh_token)
    services.session_revoke(token=second.refresh_token)
    assert [get(anonymous_api, f"Bearer {pair.access_token}").status_code for pair in (first, second)] == [401, 401]


def test_a_stolen_refresh_token_ends_the_access_tokens_too(anonymous_api: APIClient, owner: User) -> None:
    now = timezone.now()
    first = services.session_start(user=owner, now=now)
    second = services.session_refresh(token=first.refresh_token, now=now)
    with pytest.raises(RefreshRefused):
        services.session_refresh(token=first.refresh_token, now=now + timedelta(hours=1))
    assert get(anonymous_api, f"Bearer {second.access_token}").status_code == 401


def test_deactivation_ends_sessions_for_good(anonymous_api: APIClient, owner: User) -> None:
    pair = services.session_start(user=owner)
    for owner.is_active in (False, True):
        owner.save()
        assert get(anonymous_api, f"Bearer {pair.access_token}").status_code == 401


def test_a_caller_is_found_with_one_query(
    anonymous_api: APIClient, owner: User, django_assert_num_queries: Callable[[int], Any]
) -> None:
    token = str(access_token(owner))
    with django_assert_num_queries(1):
        assert session_of_token(token).user == owner


@pytest.mark.django_db(transaction=True)
def test_nobody_is_sent_to_refresh_while_the_database_is_away(
    anonymous_api: APIClient, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = [access_token(owner), access_token(owner, seconds=-1)]
    there = connection.settings_dict["PORT"], connection.settings_dict["HOST"], connection.settings_dict["OPTIONS"]
    connection.close()
    connection.settings_dict |= {"HOST": "127.0.0.1", "PORT": "1", "OPTIONS": {}}
    try:
        answers = [get(anonymous_api, f"Bearer {token}") for token in tokens]
    finally:
        connection.settings_dict |= dict(zip(("PORT", "HOST", "OPTIONS"), there, strict=True))
    assert [answer.status_code for answer in answers] == [503, 503]
    assert {"detail"} == {name for answer in answers for name in answer.json()}


def test_the_token_of_an_inactive_user_is_refused(anonymous_api: APIClient, owner: User) -> None:
    token = access_token(owner)
    User.objects.update(is_active=False)
    answer = get(anonymous_api, f"Bearer {token}")
    assert (answer.status_code, answer.json()) == (401, BAD)


def test_the_token_of_a_deleted_user_is_refused(anonymous_api: APIClient, owner: User) -> None:
    token = access_token(owner)
    owner.delete()
    answer = get(anonymous_api, f"Bearer {token}")
    assert (answer.status_code, answer.json()) == (401, BAD)
    assert answer["WWW-Authenticate"] == "Bearer"
