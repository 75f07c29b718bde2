import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery.contrib.testing.worker import start_worker
from django.core import mail
from django.core.cache import cache
from django.core.mail import EmailMultiAlternatives
from rest_framework.test import APIClient
from structlog.stdlib import ProcessorFormatter

from accounts import services
from accounts.exceptions import ResetRefused
from accounts.models import PasswordReset, User
from accounts.security.secret_tokens import digest
from accounts.tasks import password_reset_mail
from accounts.tests.brevo import FakeBrevo, fake_brevo
from accounts.tests.requests import MAILED_TOKEN, NEW, RESET, mailed_token, reset, token_of
from common.testing import await_true, together
from conftest import PASSWORD, client_of
from ecowatt.celery import app

FORGOT = "/api/v1/auth/forgot-password"
SENT = {"message": "Si tu correo está registrado, recibirás un email con instrucciones."}
REFUSED = {"detail": "El token es inválido o ha expirado."}
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def forgot(client: APIClient, email: str = "dueno@example.com", **extra: Any) -> Any:
    return client.post(FORGOT, {"user_email": email}, format="json", **extra)


@pytest.mark.parametrize("email", ["dueno@example.com", "nadie@example.com", " DUENO@example.com "])
def test_the_answer_is_the_same_whether_or_not_the_account_exists(
    anonymous_api: APIClient, owner: User, email: str, django_assert_num_queries: Callable[[int], Any]
) -> None:
    with django_assert_num_queries(0):
        answer = forgot(anonymous_api, email, HTTP_AUTHORIZATION="Bearer expired")
    assert (answer.status_code, answer.json()) == (200, SENT)
    assert mail.outbox == []


@pytest.mark.parametrize("body", [{}, {"user_email": "ana"}, {"user_email": None}, {"user_email": "a\0@b.mx"}])
def test_a_bad_email_is_refused(anonymous_api: APIClient, body: dict[str, Any]) -> None:
    answer = anonymous_api.post(FORGOT, body, format="json")
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "user_email"]


def test_the_mail_is_spanish_in_text_and_html_and_carries_the_token(owner: User) -> None:
    token = mailed_token("DUENO@EXAMPLE.com")
    (message,) = mail.outbox
    assert isinstance(message, EmailMultiAlternatives)
    assert message.to == ["dueno@example.com"]
    assert message.subject == "Restablece tu contraseña de EcoWatt"
    assert "durante 60 minutos" in message.body
    html, kind = message.alternatives[0]
    assert kind == "text/html"
    assert token in str(html)
    assert "durante 60 minutos" in str(html)


def test_the_mail_does_not_repeat_the_name_that_somebody_registered(owner: User) -> None:
    User.objects.update(name="Gana dinero en http://malo.example")
    mailed_token()
    assert "malo.example" not in mail.outbox[0].message().as_string()


def test_the_token_is_stored_as_its_digest_alone(owner: User) -> None:
    token = mailed_token()
    assert PasswordReset.objects.get().digest == digest(token)


@pytest.mark.parametrize("email", ["nadie@example.com", "fuera@example.com"])
def test_nobody_and_the_inactive_get_no_mail(db: None, email: str) -> None:
    User.objects.create_user("fuera@example.com", PASSWORD, name="Ya Se Fue", is_active=False)
    assert not services.password_reset_request(email=email)
    assert mail.outbox == []
    assert not PasswordReset.objects.exists()


def test_a_reset_sets_the_password_and_ends_every_session_and_token(anonymous_api: APIClient, owner: User) -> None:
    pairs = [services.session_start(user=owner) for _ in range(2)]
    old_access = client_of(owner)
    answer = reset(anonymous_api, mailed_token(), HTTP_AUTHORIZATION="Bearer expired")
    assert (answer.status_code, answer.json()) == (200, {"message": "Contraseña actualizada exitosamente."})
    assert User.objects.get(pk=owner.pk).check_password(NEW)
    for pair in pairs:
        body = {"refresh_token": pair.refresh_token}
        assert anonymous_api.post("/api/v1/auth/refresh", body, format="json").status_code == 401
    gone = old_access.get("/api/v1/users/me")
    assert (gone.status_code, gone.json()) == (401, {"detail": "No se pudieron validar las credenciales"})


def test_one_logs_in_with_the_new_password_and_not_with_the_old(anonymous_api: APIClient, owner: User) -> None:
    reset(anonymous_api, mailed_token())
    codes = [
        anonymous_api.post("/api/v1/auth/login", {"user_email": owner.email, "user_password": word}, format="json").status_code
        for word in (NEW, PASSWORD)
    ]
    assert codes == [200, 401]


def test_a_pasted_token_may_have_blanks_around_it(anonymous_api: APIClient, owner: User) -> None:
    assert reset(anonymous_api, f"  {mailed_token()}\n").status_code == 200


def test_a_token_works_once(anonymous_api: APIClient, owner: User) -> None:
    token = mailed_token()
    reset(anonymous_api, token)
    answer = reset(anonymous_api, token, "tercera-clave")
    assert (answer.status_code, answer.json()) == (400, REFUSED)
    assert User.objects.get(pk=owner.pk).check_password(NEW)


def test_a_reset_uses_up_the_other_tokens_of_the_account_alone(anonymous_api: APIClient, owner: User, stranger: User) -> None:
    first, second, foreign = mailed_token(), mailed_token(), mailed_token(stranger.email)
    assert reset(anonymous_api, second).status_code == 200
    assert reset(anonymous_api, first).status_code == 400
    assert reset(anonymous_api, foreign).status_code == 200


def test_a_token_lives_one_hour(owner: User) -> None:
    token = mailed_token(now=NOW)
    with pytest.raises(ResetRefused):
        services.password_reset_confirm(token=token, new_password=NEW, now=NOW + timedelta(hours=1))
    services.password_reset_confirm(token=token, new_password=NEW, now=NOW + timedelta(minutes=59, seconds=59))


@pytest.mark.parametrize("token", ["nada", "x" * 5000, "ñandú"])
def test_an_unknown_token_is_refused(anonymous_api: APIClient, db: None, token: str) -> None:
    answer = reset(anonymous_api, token)
    assert (answer.status_code, answer.json()) == (400, REFUSED)


def test_the_token_of_a_user_who_left_is_refused(anonymous_api: APIClient, owner: User) -> None:
    token = mailed_token()
    User.objects.update(is_active=False)
    assert reset(anonymous_api, token).status_code == 400


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["token", "new_password"]),
        ({"token": "abc", "new_password": "corta12"}, ["new_password"]),
        ({"token": "", "new_password": "x" * 129}, ["token", "new_password"]),
        ({"token": {"token": "abc"}, "new_password": ["secreta123"]}, ["token", "new_password"]),
    ],
)
def test_a_bad_reset_is_refused_and_repeats_no_secret(
    anonymous_api: APIClient, db: None, body: dict[str, Any], fields: list[str]
) -> None:
    answer = anonymous_api.post(RESET, body, format="json")
    assert answer.status_code == 422
    assert [item["loc"][1] for item in answer.json()["detail"]] == fields
    assert {item["input"] for item in answer.json()["detail"]} == {None}


@pytest.mark.django_db(transaction=True)
def test_of_parallel_resets_with_one_token_exactly_one_wins(owner: User) -> None:
    token = mailed_token()
    codes = sorted(answer.status_code for answer in together(lambda n: reset(APIClient(), token, f"clave-numero-{n}"), 5))
    assert codes == [200, 400, 400, 400, 400]


@pytest.mark.django_db(transaction=True)
def test_parallel_resets_with_two_tokens_do_not_block_each_other(owner: User) -> None:
    tokens = [mailed_token(), mailed_token()]
    assert sorted(answer.status_code for answer in together(lambda n: reset(APIClient(), tokens[n]), 2)) == [200, 400]


@pytest.mark.django_db(transaction=True)
def test_no_session_opened_with_the_old_password_outlives_a_reset(owner: User) -> None:
    token = mailed_token()
    body = {"user_email": owner.email, "user_password": PASSWORD}

    def act(number: int) -> Any:
        client = APIClient()
        return reset(client, token) if number == 0 else client.post("/api/v1/auth/login", body, format="json")

    logins = [answer.json() for answer in together(act, 6)[1:] if answer.status_code == 200]
    for pair in logins:
        answer = APIClient().post("/api/v1/auth/refresh", {"refresh_token": pair["refresh_token"]}, format="json")
        assert answer.status_code == 401


@pytest.mark.django_db(transaction=True)
def test_from_the_request_to_the_mail_through_a_real_worker(anonymous_api: APIClient, owner: User) -> None:
    with start_worker(app, pool="solo", perform_ping_check=False, loglevel="INFO"):
        assert forgot(anonymous_api).status_code == 200
        await_true("the mail is out", lambda: mail.outbox)
    assert reset(anonymous_api, token_of(mail.outbox[0])).status_code == 200


def test_the_queued_message_holds_no_token(anonymous_api: APIClient, owner: User) -> None:
    forgot(anonymous_api)
    assert not PasswordReset.objects.exists()
    with app.connection_for_read() as connection:
        channel: Any = connection.default_channel
        message = channel.basic_get("celery", no_ack=True)
    assert message.headers["task"] == "accounts.tasks.password_reset_mail"
    assert message.headers["argsrepr"] == "('dueno@example.com',)"


@pytest.fixture
def brevo(settings: Any) -> Iterator[FakeBrevo]:
    with fake_brevo() as server:
        settings.EMAIL_BACKEND = "anymail.backends.brevo.EmailBackend"
        settings.ANYMAIL = {"BREVO_API_KEY": "a-key", "BREVO_API_URL": server.url}
        settings.DEFAULT_FROM_EMAIL = "EcoWatt <hola@ecowatt.example>"
        yield server


def test_production_mail_goes_to_brevo(owner: User, brevo: FakeBrevo) -> None:
    password_reset_mail(owner.email)
    (request,) = brevo.requests
    assert (request["path"], request["key"]) == ("/v3/smtp/email", "a-key")
    assert request["body"]["to"] == [{"email": "dueno@example.com"}]
    assert request["body"]["sender"] == {"name": "EcoWatt", "email": "hola@ecowatt.example"}
    assert {"textContent", "htmlContent", "subject"} <= set(request["body"])


def test_a_mail_that_fails_is_tried_again_and_no_log_holds_a_token(
    anonymous_api: APIClient, owner: User, brevo: FakeBrevo, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    brevo.failures = 2
    password_reset_mail.apply(args=(owner.email,))
    tokens = [MAILED_TOKEN.findall(sent["body"]["textContent"])[0] for sent in brevo.requests]
    assert len(set(tokens)) == 3
    assert not any(token in caplog.text for token in tokens)
    assert reset(anonymous_api, tokens[-1]).status_code == 200


def test_a_mail_that_always_fails_is_given_up_and_its_traceback_shows_no_token(
    owner: User, brevo: FakeBrevo, caplog: pytest.LogCaptureFixture
) -> None:
    brevo.failures = 1000
    result = password_reset_mail.apply(args=(owner.email,))
    console = next(one for one in logging.getLogger().handlers if isinstance(one.formatter, ProcessorFormatter))
    printed = "\n".join(console.format(record) for record in caplog.records)
    assert result.state == "FAILURE"
    assert len(brevo.requests) == 7
    assert "Traceback" in printed
    assert not any(token in printed for sent in brevo.requests for token in MAILED_TOKEN.findall(sent["body"]["textContent"]))


@pytest.fixture
def _no_redis(settings: Any) -> Iterator[None]:
    """Point cache and broker at a port where nobody listens."""
    nowhere = "redis://127.0.0.1:1/0"
    settings.CACHES = settings.CACHES | {"default": settings.CACHES["default"] | {"LOCATION": nowhere}}
    before = app.conf.broker_url
    _use_broker(nowhere)
    yield
    _use_broker(before)


def _use_broker(url: str | None) -> None:
    conf: Any = app.conf
    conf.broker_url = conf.broker_write_url = url
    kept: Any = app
    kept._pool = kept.amqp._producer_pool = None  # kombu has a pool per address, so the old ones come back with the old address


@pytest.mark.usefixtures("_no_redis")
def test_without_redis_a_forgotten_password_gets_a_503_in_spanish(anonymous_api: APIClient, owner: User) -> None:
    answer = forgot(anonymous_api)
    assert answer.status_code == 503
    assert answer.json() == {"detail": "No podemos enviar el correo en este momento. Inténtalo de nuevo en unos minutos."}
    with pytest.raises(Exception, match="refused"):
        cache.get("x")


@pytest.mark.usefixtures("_no_redis")
def test_without_redis_one_still_logs_in(anonymous_api: APIClient, owner: User, caplog: pytest.LogCaptureFixture) -> None:
    for word, code in ((PASSWORD, 200), ("otra-clave", 401)):
        body = {"user_email": owner.email, "user_password": word}
        assert anonymous_api.post("/api/v1/auth/login", body, format="json").status_code == code
    assert "limit_not_counted" in caplog.text
    assert "dueno" not in caplog.text
