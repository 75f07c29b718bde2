import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts import services
from accounts.exceptions import EmailTaken
from accounts.models import Contract, Home, Membership, PasswordReset, User
from accounts.tests.requests import ANA, ME, USERS, register
from common.testing import together
from conftest import client_of

TAKEN = {"detail": "El correo electrónico ya está en uso."}


def test_a_registration_makes_user_home_membership_and_contract(anonymous_api: APIClient, db: None) -> None:
    answer = register(anonymous_api, user_trf_rate="1C", user_billing_day=31)
    user = User.objects.get()
    assert answer.status_code == 201
    assert answer.json() == {
        "user_id": user.pk,
        "user_name": "Ana López",
        "user_email": "ana@example.com",
        "user_trf_rate": "1c",
        "user_billing_day": 31,
    }
    assert user.memberships.get().role == Membership.Role.OWNER
    assert (user.home.contract.tariff, user.home.contract.billing_day) == ("1C", 31)
    assert user.home.name == "Casa de Ana López"
    assert user.home.time_zone == "America/Mexico_City"
    assert user.check_password("secreta123")


def test_rate_and_billing_day_have_defaults(anonymous_api: APIClient, db: None) -> None:
    body = register(anonymous_api).json()
    assert (body["user_trf_rate"], body["user_billing_day"]) == ("1f", 1)


@pytest.mark.parametrize("path", ["/api/v1/users", "/api/v1/users/"])
def test_both_forms_of_the_path_register(anonymous_api: APIClient, db: None, path: str) -> None:
    assert anonymous_api.post(path, ANA, format="json").status_code == 201


def test_an_expired_access_token_does_not_hinder_a_registration(anonymous_api: APIClient, db: None) -> None:
    answer = anonymous_api.post(USERS, ANA, format="json", HTTP_AUTHORIZATION="Bearer expired")
    assert answer.status_code == 201


@pytest.mark.parametrize(
    ("sent", "answered"), [("1", "1"), ("1a", "1a"), ("1B", "1b"), ("1f", "1f"), (" 1E ", "1e"), ("dac", "DAC"), ("Dac", "DAC")]
)
def test_a_rate_is_read_without_regard_to_case(anonymous_api: APIClient, db: None, sent: str, answered: str) -> None:
    assert register(anonymous_api, user_trf_rate=sent).json()["user_trf_rate"] == answered


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("user_trf_rate", rate) for rate in ("1g", "", "404", "dacc", None, 1, ["1a"], {"a": 1}, "1\0")],
        *[("user_billing_day", day) for day in (0, 32, -1, 1.5, "x", None, True, [1], 1e30, "9" * 2000)],
        *[("user_name", name) for name in ("Anna", "x" * 101, "    Ana    ", "", None, 12345, True, ["Ana Lopez"], "Ana\0Lopez")],
        *[("user_email", email) for email in ("ana", "ana@", "@b.mx", "a b@c.mx", "a@b", f"{'a' * 250}@b.mx", "", None, 5)],
        *[("user_password", password) for password in ("1234567", "x" * 129, "", None, 12345678, "nulo\0nulo")],
    ],
)
def test_a_bad_value_is_refused_with_a_sentence(anonymous_api: APIClient, db: None, field: str, value: Any) -> None:
    answer = register(anonymous_api, **{field: value})
    item = answer.json()["detail"][0]
    assert answer.status_code == 422
    assert item["loc"] == ["body", field]
    assert item["msg"].endswith(".")
    assert "404" not in item["msg"]
    assert item["input"] == (None if field == "user_password" else value)
    assert not User.objects.exists()


def test_all_fields_that_are_missing_are_named_at_once(anonymous_api: APIClient, db: None) -> None:
    detail = anonymous_api.post(USERS, {}, format="json").json()["detail"]
    assert [item["loc"] for item in detail] == [["body", name] for name in ("user_name", "user_email", "user_password")]


@pytest.mark.parametrize("email", ["ana@example.com", "ANA@Example.COM", " Ana@example.com "])
def test_an_email_in_use_is_a_conflict_in_any_case(anonymous_api: APIClient, db: None, email: str) -> None:
    register(anonymous_api)
    answer = register(anonymous_api, user_email=email)
    assert (answer.status_code, answer.json()) == (409, TAKEN)
    assert (User.objects.count(), Home.objects.count()) == (1, 1)


def test_an_email_keeps_its_case_before_the_at_sign(anonymous_api: APIClient, db: None) -> None:
    assert register(anonymous_api, user_email="  Ana.Lopez@EXAMPLE.com ").json()["user_email"] == "Ana.Lopez@example.com"


def test_the_database_itself_refuses_an_email_in_another_case(owner: User) -> None:
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO accounts_user (password, is_superuser, email, name, is_active, is_staff, date_joined)"
            " VALUES ('', false, 'DUENO@EXAMPLE.COM', 'x', true, false, now())"
        )


def test_a_registration_that_fails_half_way_leaves_nothing(db: None) -> None:
    with pytest.raises(IntegrityError):
        services.user_register(email="ana@example.com", password="secreta123", name="Ana López", billing_day=32)
    assert not User.objects.exists()
    assert not Home.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_parallel_registrations_with_one_email_exactly_one_wins() -> None:
    def go(number: int) -> Any:
        return register(APIClient(), user_email="ana@example.com" if number % 2 else "ANA@example.com")

    codes = sorted(answer.status_code for answer in together(go, 6))
    assert codes == [201, 409, 409, 409, 409, 409]
    counts = [model.objects.count() for model in (User, Home, Membership, Contract)]
    assert counts == [1, 1, 1, 1]


def test_a_long_name_still_fits_the_home(anonymous_api: APIClient, db: None) -> None:
    assert register(anonymous_api, user_name="x" * 100).status_code == 201


def test_the_lookup_by_email_uses_the_unique_index(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    assert "accounts_user_email_unique" in User.objects.with_email("ana@example.com").explain()


def test_me_answers_the_profile(api: APIClient, owner: User) -> None:
    answer = api.get(ME)
    assert answer.status_code == 200
    assert answer.json() == {
        "user_id": owner.pk,
        "user_name": "Dueno",
        "user_email": "dueno@example.com",
        "user_trf_rate": "1f",
        "user_billing_day": 1,
    }
    assert api.get(f"{ME}/").json() == answer.json()


@pytest.mark.parametrize("method", ["get", "patch"])
def test_me_needs_a_login(anonymous_api: APIClient, method: str) -> None:
    answer = getattr(anonymous_api, method)(ME)
    assert (answer.status_code, answer.json()) == (401, {"detail": "No autenticado"})
    assert answer["WWW-Authenticate"] == "Bearer"


def test_a_stranger_sees_and_changes_only_their_own_profile(stranger_api: APIClient, owner: User, stranger: User) -> None:
    assert stranger_api.get(ME).json()["user_id"] == stranger.pk
    stranger_api.patch(ME, {"user_name": "Otra Persona", "user_billing_day": 9}, format="json")
    owner.refresh_from_db()
    assert (owner.name, owner.home.contract.billing_day) == ("Dueno", 1)


def test_a_member_sees_the_contract_of_the_shared_home(owner: User, member: User) -> None:
    Contract.objects.filter(home=owner.home).update(tariff="DAC", billing_day=20)
    body = client_of(member).get(ME).json()
    assert (body["user_trf_rate"], body["user_billing_day"]) == ("DAC", 20)


@pytest.mark.parametrize(
    ("field", "value"),
    [("user_name", "Nuevo Nombre"), ("user_email", "nuevo@example.com"), ("user_trf_rate", "DAC"), ("user_billing_day", 15)],
)
def test_patch_changes_one_field_and_keeps_the_others(api: APIClient, field: str, value: Any) -> None:
    before = api.get(ME).json()
    answer = api.patch(ME, {field: value}, format="json")
    assert answer.status_code == 200
    assert answer.json() == before | {field: value}
    assert api.get(ME).json() == answer.json()


@pytest.mark.parametrize("body", [{}, {"user_name": None, "user_email": None, "user_trf_rate": None, "user_billing_day": None}])
def test_an_empty_patch_changes_nothing(api: APIClient, body: dict[str, Any]) -> None:
    before = api.get(ME).json()
    answer = api.patch(ME, body, format="json")
    assert (answer.status_code, answer.json()) == (200, before)


def test_a_patch_without_a_body_changes_nothing(api: APIClient) -> None:
    assert api.patch(ME).json() == api.get(ME).json()


def test_an_email_of_another_user_is_a_conflict_and_changes_nothing(api: APIClient, stranger: User) -> None:
    before = api.get(ME).json()
    answer = api.patch(ME, {"user_email": "AJENO@example.com", "user_name": "Otro Nombre", "user_billing_day": 9}, format="json")
    assert (answer.status_code, answer.json()) == (409, TAKEN)
    assert api.get(ME).json() == before


def test_one_may_change_the_case_of_ones_own_email(api: APIClient) -> None:
    assert api.patch(ME, {"user_email": "Dueno@Example.com"}, format="json").json()["user_email"] == "Dueno@example.com"


def test_a_new_email_ends_the_resets_mailed_to_the_old_one(api: APIClient, owner: User) -> None:
    services.password_reset_request(email=owner.email)
    api.patch(ME, {"user_email": "dueno@example.com"}, format="json")
    assert PasswordReset.objects.exists()
    api.patch(ME, {"user_email": "nuevo@example.com"}, format="json")
    assert not PasswordReset.objects.exists()


@pytest.mark.parametrize(
    "body", [{"user_name": "Ana"}, {"user_email": "no"}, {"user_trf_rate": "2"}, {"user_billing_day": 0}, {"user_trf_rate": ""}]
)
def test_a_bad_patch_is_refused_and_changes_nothing(api: APIClient, body: dict[str, Any]) -> None:
    before = api.get(ME).json()
    assert api.patch(ME, body | {"user_name": body.get("user_name", "Nombre Bueno")}, format="json").status_code == 422
    assert api.get(ME).json() == before


def test_the_password_is_not_changed_here(api: APIClient, owner: User) -> None:
    api.patch(ME, {"user_password": "otra-clave-9"}, format="json")
    assert User.objects.get(pk=owner.pk).password == owner.password


@pytest.mark.django_db(transaction=True)
def test_two_users_who_ask_for_one_email_at_once_get_one_answer_each(owner: User, stranger: User) -> None:
    clients = [client_of(owner), client_of(stranger)]
    answers = together(lambda n: clients[n].patch(ME, {"user_email": "ana@example.com"}, format="json"), 2)
    assert sorted(answer.status_code for answer in answers) == [200, 409]


def test_a_service_called_with_an_email_in_use_says_so(owner: User) -> None:
    with pytest.raises(EmailTaken):
        services.user_register(email="DUENO@example.com", password="secreta123", name="Ana López")


def test_an_email_in_use_does_not_reach_the_log_of_the_database(api: APIClient, stranger: User) -> None:
    with CaptureQueriesContext(connection) as asked:
        assert register(api, user_email=stranger.email.upper()).status_code == 409
        assert api.patch(ME, {"user_email": stranger.email}, format="json").status_code == 409
    assert not [query["sql"] for query in asked if query["sql"].startswith(("INSERT", 'UPDATE "accounts_user"'))]


def test_an_administrator_without_a_home_gets_a_sentence(db: None) -> None:
    admin = User.objects.create_superuser("admin@example.com", "secreta123", name="Admin")
    answer = client_of(admin).get(ME)
    assert (answer.status_code, answer.json()) == (404, {"detail": "Tu cuenta no pertenece a ningún hogar."})


def test_createsuperuser_makes_an_administrator(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "secreta123")
    call_command("createsuperuser", "--noinput", email="Admin@EXAMPLE.com", name="Admin", verbosity=0)
    user = get_user_model().objects.get()
    assert user.is_superuser
    assert user.is_staff
    assert user.email == "Admin@example.com"
    assert user.check_password("secreta123")


def test_createsuperuser_says_that_an_email_is_in_use(owner: User) -> None:
    with pytest.raises(CommandError, match="ya está en uso"):
        call_command("createsuperuser", "--noinput", email="DUENO@example.com", name="Admin", verbosity=0)


@pytest.mark.parametrize(("method", "queries"), [("get", 3), ("patch", 6)])
def test_the_profile_takes_few_queries(
    api: APIClient, method: str, queries: int, django_assert_num_queries: Callable[[int], Any]
) -> None:
    body = json.dumps({"user_name": "Nuevo Nombre"}) if method == "patch" else None
    with django_assert_num_queries(queries):  # caller, home, contract; for a change also savepoint, update, release
        getattr(api, method)(ME, body, content_type="application/json")


def test_a_registration_takes_ten_queries(
    anonymous_api: APIClient, db: None, django_assert_num_queries: Callable[[int], Any]
) -> None:
    with django_assert_num_queries(10):  # whether the e-mail is free, savepoint, four rows and a history, release, home, contract
        register(anonymous_api)


def test_registrations_of_one_address_are_limited(anonymous_api: APIClient, db: None, settings: Any) -> None:
    settings.AUTH_REQUESTS_PER_ADDRESS_PER_MINUTE = 2
    answers = [register(anonymous_api, user_email=f"ana{number}@example.com") for number in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 429]
    assert 0 < int(answers[-1]["Retry-After"]) <= 60
    other = anonymous_api.post(USERS, ANA, format="json", REMOTE_ADDR="203.0.113.8")
    assert other.status_code == 201
