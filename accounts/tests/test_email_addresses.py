"""Which e-mail addresses one may have, and how they are written."""

import pytest
from django.core.exceptions import ValidationError
from rest_framework.test import APIClient

from accounts.email_addresses import normalized
from accounts.models import User
from accounts.tests.requests import ME, login, register
from conftest import PASSWORD, client_of

WRONG = "El correo electrónico no es válido."


@pytest.mark.parametrize(
    ("email", "expected"),
    [
        (" Ana.López@EXAMPLE.com ", "Ana.López@example.com"),
        ("ana@EXÁMPLE.com", "ana@xn--exmple-qta.com"),
        ("ana@xn--exmple-qta.com", "ana@xn--exmple-qta.com"),
        ("ana@a..b", "ana@a..b"),
        ("ana@" + "x" * 64 + ".mx", "ana@" + "x" * 64 + ".mx"),
        ("ana", "ana"),
        ("", ""),
    ],
)
def test_a_domain_is_written_in_lower_case_and_ascii(email: str, expected: str) -> None:
    assert normalized(email) == expected


@pytest.mark.parametrize("email", ["İris@example.com", "\u212aarla@example.com", "\u017fara@example.com", "ana@exámple..com"])
def test_one_can_not_register_or_change_to_an_email_with_more_than_one_lower_case(
    anonymous_api: APIClient, api: APIClient, email: str
) -> None:
    for answer in (register(anonymous_api, user_email=email), api.patch(ME, {"user_email": email}, format="json")):
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"] == ["body", "user_email"]
        assert answer.json()["detail"][0]["msg"] == WRONG
    with pytest.raises(ValidationError, match="no es válido"):
        User(email=email, name="De Personal").clean()


def test_a_domain_in_another_alphabet_is_one_account_in_both_spellings(anonymous_api: APIClient, db: None) -> None:
    assert register(anonymous_api, user_email="Ana@exámple.com").json()["user_email"] == "Ana@xn--exmple-qta.com"
    assert register(anonymous_api, user_email="ana@xn--exmple-qta.com").status_code == 409
    for email in ("ana@EXÁMPLE.com", "ana@xn--exmple-qta.com"):
        assert login(anonymous_api, email, "secreta123").status_code == 200
    assert [login(anonymous_api, "ana@exámple.com").status_code for _ in range(6)] == [401] * 6
    codes = [login(anonymous_api, "ana@xn--exmple-qta.com").status_code for _ in range(5)]
    assert codes == [401] * 4 + [429]


def test_who_has_an_address_from_before_keeps_it_when_the_profile_is_saved(owner: User) -> None:
    User.objects.update(email="İris@exámple.com")
    user = User.objects.get()
    answer = client_of(user).patch(ME, {"user_email": "İris@exámple.com", "user_name": "Iris Gil"}, format="json")
    assert answer.status_code == 200
    assert (answer.json()["user_email"], answer.json()["user_name"]) == ("İris@exámple.com", "Iris Gil")
    user.clean()
    assert login(APIClient(), "İris@exámple.com", PASSWORD).status_code == 200
