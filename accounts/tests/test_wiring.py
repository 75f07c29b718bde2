from datetime import timedelta
from typing import Any

from django.conf import settings
from django.test import Client
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from accounts.models import RefreshToken, Session, User
from accounts.security.secret_tokens import digest
from accounts.services import session_start
from accounts.tasks import sessions_cleanup
from accounts.tests.requests import ENDPOINTS


def test_the_cleanup_is_scheduled_daily_and_editable(db: None) -> None:
    row = PeriodicTask.objects.get(task="accounts.tasks.sessions_cleanup")
    assert row.enabled
    assert (row.crontab.hour, row.crontab.day_of_week) == ("9", "*")
    assert row.task == sessions_cleanup.name


def test_the_task_deletes_a_session_whose_token_has_expired_and_no_other(owner: User) -> None:
    kept = session_start(user=owner)
    session_start(user=owner, now=timezone.now() - settings.REFRESH_TOKEN_LIFETIME - timedelta(seconds=1))
    sessions_cleanup()
    assert [token.digest for token in RefreshToken.objects.all()] == [digest(kept.refresh_token)]
    assert Session.objects.count() == 1


def schema() -> dict[str, Any]:
    described: dict[str, Any] = Client().get("/openapi.json", headers={"accept": "application/vnd.oai.openapi+json"}).json()
    return described


def test_the_schema_describes_every_call_with_its_errors_and_examples(db: None) -> None:
    paths = schema()["paths"]
    for method, path in ENDPOINTS:
        operation = paths[f"/api/v1/{path}"][method]
        assert operation["summary"]
        assert operation["tags"]
        assert "422" in operation["responses"]
        for answer in operation["responses"].values():
            assert answer["content"]["application/json"]["examples"], (path, answer)


def test_the_schema_asks_for_a_token_only_where_the_api_does(db: None) -> None:
    paths = schema()["paths"]
    needs = {
        key for key, calls in paths.items() for call in calls.values() if call.get("security") and {} not in call["security"]
    }
    ours = {f"/api/v1/{path}" for _, path in ENDPOINTS}
    assert needs & ours == {"/api/v1/users/me", "/api/v1/contract", "/api/v1/fcm/register"}
