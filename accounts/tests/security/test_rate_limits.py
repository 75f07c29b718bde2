from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from accounts.security import rate_limits as limits
from accounts.security.rate_limits import Limit
from accounts.tests.requests import LOGIN, login
from common.redis_connections import redis_client
from common.testing import together
from conftest import PASSWORD
from ecowatt.celery import app

FORGOT = "/api/v1/auth/forgot-password"
SENTENCE = {"detail": "Demasiados intentos. Inténtalo de nuevo más tarde."}
THREE = Limit("test", 3, 60)
NOW = 1_795_000_000.0


def test_as_many_hits_as_the_limit_says_pass_in_a_window() -> None:
    assert [limits.hit(THREE, "ana", NOW + second) for second in range(5)] == [0, 0, 0, 57, 56]


def test_the_window_closes_after_its_period() -> None:
    for _ in range(4):
        limits.hit(THREE, "ana", NOW)
    assert limits.hit(THREE, "ana", NOW + 59.5) == 1
    assert [limits.hit(THREE, "ana", NOW + 60) for _ in range(4)] == [0, 0, 0, 60]


def test_what_is_taken_back_does_not_count() -> None:
    for _ in range(9):
        assert limits.hit(THREE, "ana", NOW) == 0
        limits.take_back(THREE, "ana", NOW)
    assert [limits.hit(THREE, "ana", NOW) for _ in range(4)] == [0, 0, 0, 60]
    limits.take_back(THREE, "ana", NOW)
    assert [limits.hit(THREE, "ana", NOW) for _ in range(2)] == [0, 60]


def test_what_is_refused_does_not_count_either() -> None:
    for _ in range(9):
        limits.hit(THREE, "ana", NOW)
    limits.take_back(THREE, "ana", NOW)
    assert limits.hit(THREE, "ana", NOW) == 0


def test_nothing_is_taken_back_where_nothing_is_counted() -> None:
    limits.take_back(THREE, "ana", NOW)
    assert [limits.hit(THREE, "ana", NOW) for _ in range(4)] == [0, 0, 0, 60]


def test_each_one_and_each_limit_has_its_own_window() -> None:
    for _ in range(3):
        limits.hit(THREE, "ana", NOW)
    assert limits.hit(THREE, "eva", NOW) == 0
    assert limits.hit(THREE._replace(name="other"), "ana", NOW) == 0


def test_parallel_hits_are_all_counted() -> None:
    many = THREE._replace(most=12)
    waits = together(lambda _: [limits.hit(many, "ana", NOW) for _ in range(4)], 6)
    assert sum(wait == 0 for own in waits for wait in own) == 12


def test_no_email_and_no_address_stands_in_the_cache(anonymous_api: APIClient, owner: User) -> None:
    login(anonymous_api, owner.email, REMOTE_ADDR="203.0.113.7")
    keys = redis_client().keys("ecowatt:1:*")  # of the cache alone
    assert len(keys) == 6  # of the address, the account and both together: a window and its counter each
    assert not any(b"dueno" in key or b"203.0.113.7" in key for key in keys)


@pytest.mark.parametrize("email", ["dueno@example.com", "nadie@example.com"])
def test_ten_failed_logins_pass_and_the_next_waits_even_with_the_right_password(
    anonymous_api: APIClient, owner: User, email: str
) -> None:
    assert [login(anonymous_api, email).status_code for _ in range(10)] == [401] * 10
    for password in ("otra-clave", PASSWORD):
        answer = login(anonymous_api, email.upper(), password)
        assert (answer.status_code, answer.json()) == (429, SENTENCE)
        assert 3500 < int(answer["Retry-After"]) <= 3600


def test_another_account_is_not_held_up(anonymous_api: APIClient, owner: User, stranger: User) -> None:
    for _ in range(11):
        login(anonymous_api, stranger.email)
    assert login(anonymous_api, owner.email, PASSWORD).status_code == 200


def test_logins_that_succeed_never_count(anonymous_api: APIClient, owner: User) -> None:
    assert {login(anonymous_api, owner.email, PASSWORD).status_code for _ in range(15)} == {200}
    assert login(anonymous_api, owner.email).status_code == 401


def test_bodies_that_are_refused_count_for_no_account(anonymous_api: APIClient, owner: User) -> None:
    assert {login(anonymous_api, owner.email, "corta").status_code for _ in range(12)} == {422}
    assert login(anonymous_api, owner.email, PASSWORD).status_code == 200


@pytest.mark.parametrize("email", ["dueno@example.com", "nadie@example.com"])
def test_ten_mails_per_account_pass_whether_or_not_it_exists(anonymous_api: APIClient, owner: User, email: str) -> None:
    answers = [anonymous_api.post(FORGOT, {"user_email": email}, format="json") for _ in range(11)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert answers[-1].json() == SENTENCE
    assert 0 < int(answers[-1]["Retry-After"]) <= 3600
    with app.connection_for_read() as connection:
        channel: Any = connection.default_channel
        assert channel.queue_declare("celery", passive=True).message_count == 10


def test_an_address_makes_sixty_requests_a_minute_over_login_and_forgot_together(anonymous_api: APIClient, owner: User) -> None:
    for number in range(30):
        assert login(anonymous_api, f"uno{number}@example.com").status_code == 401
        assert anonymous_api.post(FORGOT, {}, format="json").status_code == 422
    for path in (LOGIN, FORGOT):
        answer = anonymous_api.post(path, {}, format="json")
        assert answer.status_code == 429
        assert answer.json() == {"detail": "Demasiadas peticiones. Inténtalo de nuevo más tarde."}
        assert 0 < int(answer["Retry-After"]) <= 60
    assert login(anonymous_api, owner.email, PASSWORD, REMOTE_ADDR="203.0.113.8").status_code == 200


def test_the_settings_set_the_limits(anonymous_api: APIClient, owner: User, settings: Any) -> None:
    settings.LOGIN_FAILURES_PER_ACCOUNT_AND_NETWORK_PER_HOUR = 1
    settings.AUTH_REQUESTS_PER_ADDRESS_PER_MINUTE = 2
    settings.MAILS_PER_ACCOUNT_PER_HOUR = 1
    codes = [login(anonymous_api, owner.email).status_code for _ in range(3)]
    assert codes == [401, 429, 429]
    other: dict[str, Any] = {"REMOTE_ADDR": "203.0.113.8"}
    mails = [anonymous_api.post(FORGOT, {"user_email": owner.email}, format="json", **other).status_code for _ in range(2)]
    assert mails == [200, 429]


@pytest.mark.parametrize(
    ("proxies", "forwarded", "codes"),
    [
        (0, ["1.1.1.1", "2.2.2.2"], [401, 429]),  # whoever calls us may write anything here
        (1, ["9.9.9.9, 1.1.1.1", "9.9.9.9, 2.2.2.2"], [401, 401]),
        (1, ["8.8.8.8, 1.1.1.1", "9.9.9.9, 1.1.1.1"], [401, 429]),
        (2, ["1.1.1.1, 7.7.7.7", "2.2.2.2, 7.7.7.7"], [401, 401]),
        (1, ["2001:db8::1", "2001:db8::2"], [401, 429]),  # one household's network
        (1, ["2001:db8:0:1::1", "2001:db8:0:2::1"], [401, 401]),
    ],
)
def test_the_address_is_the_one_that_our_own_proxies_saw(
    anonymous_api: APIClient, db: None, settings: Any, proxies: int, forwarded: list[str], codes: list[int]
) -> None:
    settings.AUTH_REQUESTS_PER_ADDRESS_PER_MINUTE = 1
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"NUM_PROXIES": proxies}
    seen = [login(anonymous_api, "nadie@example.com", HTTP_X_FORWARDED_FOR=one).status_code for one in forwarded]
    assert seen == codes
