"""How often a password may be guessed, by whom, and what ends that."""

from typing import Any

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.db import connection
from rest_framework.test import APIClient

from accounts import services
from accounts.models import User
from accounts.tests.requests import login, mailed_token, reset
from common.testing import together
from conftest import PASSWORD


class CountingHasher(MD5PasswordHasher):
    """MD5 that counts its work."""

    runs = 0

    def encode(self, password: str, salt: str) -> str:
        type(self).runs += 1
        return super().encode(password, salt)


def guesses(times: int, email: str = "dueno@example.com", network: str = "203.0.113") -> list[int]:
    return [login(APIClient(), email, REMOTE_ADDR=f"{network}.{number}").status_code for number in range(times)]


@pytest.mark.django_db(transaction=True)
def test_of_many_parallel_guesses_no_more_than_the_limit_are_looked_at(owner: User, settings: Any) -> None:
    settings.PASSWORD_HASHERS = [f"{__name__}.CountingHasher"]
    owner.set_password(PASSWORD)
    owner.save()
    CountingHasher.runs = 0
    words = [*(f"otra-clave-{number}" for number in range(17)), PASSWORD]
    codes = together(lambda number: login(APIClient(), owner.email, words[number]).status_code, 18)
    assert codes.count(401) <= 10
    assert CountingHasher.runs == codes.count(401) + codes.count(200)  # the right one, if it came in time, is taken back
    assert codes.count(429) == 18 - CountingHasher.runs


@pytest.mark.django_db(transaction=True)
def test_parallel_logins_with_the_right_password_use_nothing_up(owner: User) -> None:
    for _ in range(3):
        assert set(together(lambda _: login(APIClient(), owner.email, PASSWORD).status_code, 4)) == {200}
    assert guesses(10) == [401] * 10


def test_a_stranger_does_not_lock_the_owner_out(anonymous_api: APIClient, owner: User) -> None:
    assert guesses(12) == [401] * 10 + [429] * 2  # an address of the same network is no other one
    assert login(anonymous_api, owner.email, PASSWORD, REMOTE_ADDR="203.0.113.200").status_code == 429
    assert login(anonymous_api, owner.email, PASSWORD, REMOTE_ADDR="203.0.114.1").status_code == 200
    assert login(anonymous_api, owner.email, PASSWORD, REMOTE_ADDR="2001:db8::1").status_code == 200


def test_an_ipv4_address_is_itself_when_it_comes_as_ipv6(anonymous_api: APIClient, owner: User) -> None:
    guesses(10)
    assert login(anonymous_api, owner.email, PASSWORD, REMOTE_ADDR="::ffff:203.0.113.9").status_code == 429
    assert login(anonymous_api, owner.email, PASSWORD, REMOTE_ADDR="::ffff:203.0.114.9").status_code == 200


def test_many_networks_together_reach_the_bound_of_the_account(anonymous_api: APIClient, owner: User, settings: Any) -> None:
    settings.LOGIN_FAILURES_PER_ACCOUNT_PER_HOUR = 12
    assert guesses(10, network="203.0.113") + guesses(3, network="203.0.114") == [401] * 12 + [429]
    assert login(anonymous_api, owner.email, PASSWORD, REMOTE_ADDR="203.0.115.1").status_code == 429
    assert guesses(9, "nadie@example.com") == [401] * 9


def test_a_reset_of_the_password_lets_the_owner_in_again(anonymous_api: APIClient, owner: User, settings: Any) -> None:
    settings.LOGIN_FAILURES_PER_ACCOUNT_PER_HOUR = 12
    guesses(10)
    guesses(10, network="203.0.114")
    assert reset(anonymous_api, "no-token-of-ours").status_code == 400
    assert login(anonymous_api, owner.email, PASSWORD, REMOTE_ADDR="203.0.115.1").status_code == 429
    assert reset(anonymous_api, mailed_token(), "otra-clave-2").status_code == 200
    assert login(anonymous_api, owner.email, "otra-clave-2", REMOTE_ADDR="203.0.113.1").status_code == 200
    assert guesses(11) == [401] * 10 + [429]


@pytest.fixture
def folding_database(db: None) -> None:
    """A database that takes İ for i when it folds case, as those with a UTF-8 locale do."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA folding")
        cursor.execute(
            "CREATE FUNCTION folding.lower(text) RETURNS text IMMUTABLE LANGUAGE sql"
            " AS $$ SELECT pg_catalog.lower(replace($1, 'İ', 'i')) $$"
        )
        cursor.execute("SET LOCAL search_path TO folding, pg_catalog, public")


@pytest.mark.usefixtures("folding_database")
def test_another_spelling_of_an_email_is_another_person(anonymous_api: APIClient) -> None:
    User.objects.create_user("iris@example.com", PASSWORD, name="Iris Gil")
    assert guesses(11, "iris@example.com") == [401] * 10 + [429]
    assert login(anonymous_api, "İris@example.com", PASSWORD, REMOTE_ADDR="203.0.113.1").status_code == 401
    assert not services.password_reset_request(email="İris@example.com")


@pytest.mark.usefixtures("folding_database")
def test_an_account_from_before_with_letters_beyond_ascii_still_opens(anonymous_api: APIClient) -> None:
    for email in ("İris@example.com", "ana@exámple.com"):
        user = User(email=email, name="De Antes")
        user.set_password(PASSWORD)
        user.save()
        assert login(anonymous_api, email, PASSWORD).status_code == 200
        assert guesses(11, email) == [401] * 10 + [429]
        assert services.password_reset_request(email=email)
