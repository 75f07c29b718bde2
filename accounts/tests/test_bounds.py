"""How many rows one person may have: sessions, tokens and phones."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts import services
from accounts.models import PushToken, RefreshToken, Session, User
from accounts.services import sessions
from accounts.tests.requests import mailed_token, refresh, register_phone, reset
from common.testing import together
from conftest import client_of


@pytest.fixture(autouse=True)
def _three(settings: Any) -> None:
    settings.SESSIONS_PER_USER = settings.PHONES_PER_USER = 3


def test_the_oldest_session_ends_when_there_are_too_many(anonymous_api: APIClient, owner: User, stranger: User) -> None:
    other = services.session_start(user=stranger)
    pairs = [services.session_start(user=owner) for _ in range(5)]
    codes = [refresh(anonymous_api, pair.refresh_token).status_code for pair in (other, *pairs)]
    assert codes == [200, 401, 401, 200, 200, 200]
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {pairs[0].access_token}")
    assert client.get("/api/v1/users/me").status_code == 401


def test_sessions_that_are_over_are_kept_no_longer_than_others(owner: User) -> None:
    for _ in range(9):
        services.session_revoke(token=services.session_start(user=owner).refresh_token)
    last = services.session_start(user=owner)
    assert Session.objects.count() == 4
    assert services.session_refresh(token=last.refresh_token)


@pytest.mark.django_db(transaction=True)
def test_parallel_logins_count_each_other(owner: User) -> None:
    together(lambda _: services.session_start(user=owner), 8)
    assert owner.sessions.open().count() == 3


def test_who_refreshes_without_end_keeps_so_many_tokens(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "TOKENS_PER_SESSION", 5)
    first = pair = services.session_start(user=owner)
    for _ in range(9):
        pair = services.session_refresh(token=pair.refresh_token)
    assert RefreshToken.objects.count() == 5
    assert refresh(APIClient(), first.refresh_token).status_code == 401
    assert refresh(APIClient(), pair.refresh_token).status_code == 200


def test_the_phone_that_registered_longest_ago_goes(owner: User, stranger_api: APIClient) -> None:
    api = client_of(owner)
    register_phone(stranger_api, "z" * 100)
    for letter in "abcad":
        assert register_phone(api, letter * 100).status_code == 200
    left = PushToken.objects.filter(user=owner).values_list("token", flat=True)
    assert {token[0] for token in left} == {"c", "a", "d"}
    assert PushToken.objects.count() == 4


def test_a_reset_of_the_password_ends_the_phones_of_the_account_alone(api: APIClient, stranger_api: APIClient) -> None:
    register_phone(api, "a" * 100)
    register_phone(stranger_api, "b" * 100)
    assert reset(APIClient(), mailed_token()).status_code == 200
    assert PushToken.objects.get().token == "b" * 100
