from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from rest_framework.test import APIClient

from accounts import services
from accounts.exceptions import LoginRefused, RefreshRefused
from accounts.models import PasswordReset, RefreshToken, Session, User
from accounts.security.secret_tokens import digest
from accounts.tests.requests import REFRESH, refresh
from common.testing import together

LOGOUT = "/api/v1/auth/logout"
REFUSED = {"detail": "Token de refresco inválido o expirado"}
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
GRACE = timedelta(seconds=60)


def test_a_refresh_answers_a_new_pair(anonymous_api: APIClient, owner: User) -> None:
    first = services.session_start(user=owner)
    answer = refresh(anonymous_api, first.refresh_token)
    assert answer.status_code == 200
    assert set(answer.json()) == {"access_token", "refresh_token", "token_type"}
    assert answer.json()["refresh_token"] != first.refresh_token
    assert answer.json()["access_token"] != first.access_token
    assert refresh(anonymous_api, answer.json()["refresh_token"]).status_code == 200


@pytest.mark.parametrize("token", ["nada", "x" * 600, "ñandú", "eyJhbGciOiJIUzI1NiJ9.e30.x"])
def test_an_unknown_token_is_refused(anonymous_api: APIClient, db: None, token: str) -> None:
    answer = refresh(anonymous_api, token)
    assert (answer.status_code, answer.json()) == (401, REFUSED)
    assert answer["WWW-Authenticate"] == "Bearer"


def test_an_access_token_refreshes_nothing(anonymous_api: APIClient, owner: User) -> None:
    assert refresh(anonymous_api, services.session_start(user=owner).access_token).status_code == 401


@pytest.mark.parametrize(
    "body", [{}, {"refresh_token": ""}, {"refresh_token": None}, {"refresh_token": 5}, {"refresh_token": "a\0b"}]
)
def test_a_refresh_or_logout_without_a_token_is_refused(anonymous_api: APIClient, db: None, body: dict[str, Any]) -> None:
    for path in (REFRESH, LOGOUT):
        answer = anonymous_api.post(path, body, format="json")
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"] == ["body", "refresh_token"]


@pytest.mark.parametrize("late", [timedelta(0), timedelta(seconds=0.4), GRACE])
def test_a_rotated_token_answers_within_the_grace(owner: User, late: timedelta) -> None:
    first = services.session_start(user=owner, now=NOW)
    second = services.session_refresh(token=first.refresh_token, now=NOW)
    again = services.session_refresh(token=first.refresh_token, now=NOW + late)
    for pair in (second, again):
        services.session_refresh(token=pair.refresh_token, now=NOW + late)


def test_the_grace_counts_from_the_first_use_and_not_from_the_last(owner: User) -> None:
    first = services.session_start(user=owner, now=NOW)
    for seconds in (0, 30, 60):
        services.session_refresh(token=first.refresh_token, now=NOW + timedelta(seconds=seconds))
    with pytest.raises(RefreshRefused):
        services.session_refresh(token=first.refresh_token, now=NOW + timedelta(seconds=61))


def test_a_rotated_token_used_after_the_grace_ends_its_family_and_no_other(owner: User) -> None:
    other_phone = services.session_start(user=owner, now=NOW)
    first = services.session_start(user=owner, now=NOW)
    second = services.session_refresh(token=first.refresh_token, now=NOW)
    with pytest.raises(RefreshRefused):
        services.session_refresh(token=first.refresh_token, now=NOW + GRACE + timedelta(microseconds=1))
    with pytest.raises(RefreshRefused):
        services.session_refresh(token=second.refresh_token, now=NOW + GRACE + timedelta(seconds=1))
    assert services.session_refresh(token=other_phone.refresh_token, now=NOW + GRACE)


def test_theft_is_answered_like_any_bad_token(anonymous_api: APIClient, owner: User) -> None:
    first = services.session_start(user=owner)
    second = refresh(anonymous_api, first.refresh_token).json()["refresh_token"]
    RefreshToken.objects.filter(digest=digest(first.refresh_token)).update(rotated_at=NOW - timedelta(days=1))
    for token in (first.refresh_token, second):
        answer = refresh(anonymous_api, token)
        assert (answer.status_code, answer.json()) == (401, REFUSED)


def test_a_refresh_token_lives_thirty_days(owner: User) -> None:
    pair = services.session_start(user=owner, now=NOW)
    with pytest.raises(RefreshRefused):
        services.session_refresh(token=pair.refresh_token, now=NOW + timedelta(days=30))
    renewed = services.session_refresh(token=pair.refresh_token, now=NOW + timedelta(days=30, seconds=-1))
    assert services.session_refresh(token=renewed.refresh_token, now=NOW + timedelta(days=59))


def test_the_token_of_a_user_who_left_is_refused(anonymous_api: APIClient, owner: User) -> None:
    pair = services.session_start(user=owner)
    User.objects.update(is_active=False)
    assert refresh(anonymous_api, pair.refresh_token).status_code == 401


def test_a_logout_ends_the_session_without_an_access_token(anonymous_api: APIClient, owner: User) -> None:
    pair, other = services.session_start(user=owner), services.session_start(user=owner)
    answer = anonymous_api.post(LOGOUT, {"refresh_token": pair.refresh_token}, format="json", HTTP_AUTHORIZATION="Bearer old")
    assert (answer.status_code, answer.json()) == (200, {"message": "Cierre de sesión exitoso"})
    assert refresh(anonymous_api, pair.refresh_token).status_code == 401
    assert refresh(anonymous_api, other.refresh_token).status_code == 200


def test_a_logout_with_a_rotated_token_ends_the_session_too(anonymous_api: APIClient, owner: User) -> None:
    first = services.session_start(user=owner)
    second = services.session_refresh(token=first.refresh_token)
    anonymous_api.post(LOGOUT, {"refresh_token": first.refresh_token}, format="json")
    for pair in (first, second):
        assert refresh(anonymous_api, pair.refresh_token).status_code == 401


def test_a_logout_with_an_unknown_token_gets_the_same_answer(anonymous_api: APIClient, db: None) -> None:
    answer = anonymous_api.post(LOGOUT, {"refresh_token": "nada"}, format="json")
    assert (answer.status_code, answer.json()) == (200, {"message": "Cierre de sesión exitoso"})


def test_all_sessions_of_a_user_end_at_once(anonymous_api: APIClient, owner: User, stranger: User) -> None:
    pairs = [services.session_start(user=owner) for _ in range(3)]
    foreign = services.session_start(user=stranger)
    assert services.sessions_revoke_all(user=owner) == 3
    assert {refresh(anonymous_api, pair.refresh_token).status_code for pair in pairs} == {401}
    assert refresh(anonymous_api, foreign.refresh_token).status_code == 200


def test_a_new_password_ends_every_session_wherever_it_was_set(anonymous_api: APIClient, owner: User) -> None:
    pair = services.session_start(user=owner)
    owner.set_password("otra-clave-2")
    owner.save()
    assert refresh(anonymous_api, pair.refresh_token).status_code == 401
    assert anonymous_api.get("/api/v1/users/me", HTTP_AUTHORIZATION=f"Bearer {pair.access_token}").status_code == 401


def test_a_hash_renewed_at_login_ends_no_session(anonymous_api: APIClient, owner: User, settings: Any) -> None:
    pair = services.session_start(user=owner)
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.ScryptPasswordHasher", *settings.PASSWORD_HASHERS]
    body = {"user_email": owner.email, "user_password": "una-clave-larga-1"}
    assert anonymous_api.post("/api/v1/auth/login", body, format="json").status_code == 200
    assert User.objects.get(pk=owner.pk).password.startswith("scrypt")
    assert refresh(anonymous_api, pair.refresh_token).status_code == 200


def test_a_session_does_not_start_with_a_password_that_has_changed_meanwhile(owner: User) -> None:
    checked = User.objects.get(pk=owner.pk)
    owner.set_password("otra-clave-2")
    owner.save()
    with pytest.raises(LoginRefused):
        services.session_start(user=checked)


def test_a_refresh_takes_five_queries(
    anonymous_api: APIClient, owner: User, django_assert_num_queries: Callable[[int], Any]
) -> None:
    pair = services.session_start(user=owner)
    with django_assert_num_queries(6):  # token with session and user; savepoint, rotation, new token, spare ones, release
        refresh(anonymous_api, pair.refresh_token)


@pytest.mark.django_db(transaction=True)
def test_parallel_refreshes_with_one_token_all_get_a_working_pair(owner: User) -> None:
    token = services.session_start(user=owner).refresh_token
    answers = together(lambda _: refresh(APIClient(), token), 8)
    assert {answer.status_code for answer in answers} == {200}
    renewed = {answer.json()["refresh_token"] for answer in answers}
    assert len(renewed) == 8
    assert {refresh(APIClient(), one).status_code for one in renewed} == {200}
    assert RefreshToken.objects.filter(digest=digest(token), rotated_at__isnull=False).count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_logout_beside_parallel_refreshes_leaves_no_token_that_works(owner: User) -> None:
    token = services.session_start(user=owner).refresh_token

    def act(number: int) -> Any:
        path = LOGOUT if number == 0 else REFRESH
        return APIClient().post(path, {"refresh_token": token}, format="json")

    answers = together(act, 6)
    assert answers[0].status_code == 200
    won = [answer.json()["refresh_token"] for answer in answers[1:] if answer.status_code == 200]
    assert {refresh(APIClient(), one).status_code for one in [*won, token]} == {401}


def test_the_cleanup_deletes_what_opens_nothing_any_more(owner: User) -> None:
    long_ago = NOW - django_settings.REFRESH_TOKEN_LIFETIME
    services.session_start(user=owner, now=long_ago)
    kept = services.session_start(user=owner, now=NOW)
    for name, expires_at in (("old", NOW), ("new", NOW + timedelta(minutes=1))):
        PasswordReset.objects.create(user=owner, digest=digest(name), expires_at=expires_at)
    assert services.sessions_cleanup(now=NOW) == 3
    assert RefreshToken.objects.get().digest == digest(kept.refresh_token)
    assert PasswordReset.objects.get().digest == digest("new")
    assert Session.objects.count() == 1
