"""An account that gets another e-mail: the old one is told."""

from typing import Any

import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from accounts.models import PasswordReset, User
from accounts.tasks import email_change_mail
from accounts.tests.brevo import fake_brevo
from accounts.tests.requests import ME, mailed_token
from ecowatt.celery import app


def queued() -> list[Any]:
    """The tasks that wait, each with its arguments; they are taken away."""
    found = []
    with app.connection_for_read() as connection:
        channel: Any = connection.default_channel
        while message := channel.basic_get("celery", no_ack=True):
            found.append((message.headers["task"], message.payload[0]))
    return found


@pytest.fixture(autouse=True)
def _nothing_waits() -> None:
    queued()


def test_the_old_address_is_told_of_a_change(api: APIClient, owner: User) -> None:
    assert api.patch(ME, {"user_email": "nuevo@example.com"}, format="json").status_code == 200
    assert queued() == [("accounts.tasks.email_change_mail", ["dueno@example.com"])]
    email_change_mail("dueno@example.com")
    (message,) = mail.outbox
    assert isinstance(message, EmailMultiAlternatives)
    assert message.to == ["dueno@example.com"]
    assert message.subject == "Cambió el correo de tu cuenta de EcoWatt"
    assert "Si no fuiste tú" in message.body
    assert "Si no fuiste tú" in str(message.alternatives[0][0])
    assert "nuevo@example.com" not in message.message().as_string()


@pytest.mark.parametrize(
    "change", [{"user_email": "DUENO@example.com"}, {"user_email": "dueno@example.com"}, {"user_name": "Ana Paz"}, {}]
)
def test_nobody_is_told_where_the_address_stays(api: APIClient, owner: User, change: dict[str, str]) -> None:
    assert api.patch(ME, change, format="json").status_code == 200
    assert queued() == []


def test_nobody_is_told_of_a_change_that_is_refused(api: APIClient, owner: User, stranger: User) -> None:
    assert api.patch(ME, {"user_email": stranger.email}, format="json").status_code == 409
    assert queued() == []


@pytest.mark.django_db(transaction=True)
def test_a_change_by_staff_is_told_too_and_ends_what_was_mailed_before(owner: User) -> None:
    mailed_token()
    browser = Client()
    browser.force_login(User.objects.create_superuser("admin@example.com", "secreta123", name="Admin"))
    body = {"email": "nuevo@example.com", "name": owner.name, "is_active": "on"}
    body |= {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}
    assert browser.post(reverse("admin:accounts_user_change", args=[owner.pk]), body).status_code == 302
    assert User.objects.get(pk=owner.pk).email == "nuevo@example.com"
    assert queued() == [("accounts.tasks.email_change_mail", ["dueno@example.com"])]
    assert not PasswordReset.objects.exists()


def test_it_goes_through_brevo_and_is_tried_again(settings: Any) -> None:
    with fake_brevo() as brevo:
        settings.EMAIL_BACKEND = "anymail.backends.brevo.EmailBackend"
        settings.ANYMAIL = {"BREVO_API_KEY": "a-key", "BREVO_API_URL": brevo.url}
        brevo.failures = 1
        assert email_change_mail.apply(args=("dueno@example.com",)).state == "SUCCESS"
        assert [sent["body"]["to"] for sent in brevo.requests] == [[{"email": "dueno@example.com"}]] * 2
